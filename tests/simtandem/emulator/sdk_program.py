"""What a user of the carrier's SDK would write. Runs where the SDK is installed; prints what came of each step as JSON.

The SDK finds the carrier by the variable `EMNIFY_SDK_API_ENDPOINT_URL`. Arguments: the application token, and the ids
of an Issued SIM without a device and of a device whose SIM is Activated.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from emnify import EMnify
from emnify.errors import EMnifyBaseException

token, spare_sim, device_in_use = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
emnify = EMnify(token)
devices, sims = emnify.devices, emnify.sim


def listing() -> Any:
    by_name = devices.get_device_filter_model(name="device-", status=0)
    newest = devices.get_device_sort_enum.ID.value
    alone = list(sims.get_sim_list(without_device=True))
    return {
        "devices": len({each.id for each in devices.get_devices_list()}),
        "filtered": [each.id for each in devices.get_devices_list(filter_model=by_name, sort_enum=f"-{newest}")],
        "by_sim_status": len(
            list(devices.get_devices_list(filter_model=devices.get_device_filter_model(sim_status=1)))
        ),
        "sims": len(list(sims.get_sim_list(sort_enum=sims.get_sim_sort_enum.status.value))),
        "sims_alone": [each.id for each in alone],
        "sim_by_iccid": [
            each.id for each in sims.get_sim_list(filter_model=sims.get_sim_filter_model(iccid=alone[0].iccid))
        ],
        "device_of_sim": next(each.device.id for each in sims.get_sim_list() if each.device),
    }


def creating() -> Any:
    model = devices.retrieve_device(device_in_use)
    new = devices.device_create_model(
        name="SDK device",
        tags="sdk",
        status=devices.status_model(id=1),
        service_profile=devices.service_profile_model(id=model.service_profile.id),
        tariff_profile=devices.tariff_profile_model(id=model.tariff_profile.id),
    )
    return devices.create_device(new)


def state(device_id: int) -> Any:
    device = devices.retrieve_device(device_id)
    sim = device.sim
    return {
        "name": device.name,
        "tags": device.tags,
        "status": device.status.description,
        "sim": sim.id if sim else None,
        "sim_status": sims.retrieve_sim(sim.id).status.description if sim else None,
    }


def living(device_id: int) -> Any:
    steps = {"created": state(device_id)}
    devices.assign_sim(device_id, spare_sim)
    steps["assigned"] = state(device_id)
    devices.change_status(device_id, enable=True)
    steps["enabled"] = state(device_id)
    devices.update_device(device_id=device_id, device=devices.device_update_model(name="renamed", tags="a,b"))
    steps["renamed"] = state(device_id)
    devices.change_status(device_id, disable=True)
    steps["disabled"] = state(device_id)
    sims.activate_sim(spare_sim)
    devices.update_device(device_id=device_id, device=devices.device_update_model(status=devices.status_model(id=0)))
    devices.release_sim(device_id)
    steps["released"] = state(device_id)
    steps["spare_sim"] = sims.retrieve_sim(spare_sim).status.description
    devices.delete_device(device_id)
    return steps


def deleting() -> Any:
    sim_id = devices.retrieve_device(device_in_use).sim.id
    events = [each.event_type.id for each in devices.get_device_events_list(device_in_use)]
    devices.delete_device(device_in_use)
    sim = sims.retrieve_sim(sim_id)
    return {"events": events, "sim": sim.status.description, "device": sim.device and sim.device.id}


def network() -> Any:
    operators = list(emnify.operator.get_operators())
    device_id = devices.create_device(devices.device_create_model(**{**new_device(), "name": "network"}))
    devices.add_device_blacklist_operator(device_id, operators[0].id)
    blocked = [each.id for each in devices.get_device_operator_blacklist(device_id)]
    twice = failing(lambda: devices.add_device_blacklist_operator(device_id, operators[0].id))
    devices.delete_device_blacklist_operator(device_id, operators[0].id)
    devices.send_sms(device=device_id, sms=devices.sms_create_model(payload="hello"))
    return {
        "blocked": blocked == [operators[0].id],
        "twice": twice,
        "unblocked": list(devices.get_device_operator_blacklist(device_id)),
        "sms": [each.payload for each in devices.get_device_sms_list(device=device_id)],
        "reset": devices.reset_connectivity_network(device_id) and devices.reset_connectivity_data(device_id),
        "connectivity": devices.get_device_connectivity_status(device_id).status.description,
    }


def new_device() -> dict[str, Any]:
    return {"status": {"id": 1}, "service_profile": {"id": 398490}, "tariff_profile": {"id": 414470}}


def failing(step: Callable[[], Any]) -> str:
    try:
        step()
    except EMnifyBaseException as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def mistakes() -> Any:
    wrong_profile = devices.device_update_model(service_profile=devices.service_profile_model(id=-1))
    nothing = devices.device_update_model()
    return {
        "token": failing(lambda: list(EMnify("wrong").devices.get_devices_list())),
        "id": failing(lambda: devices.update_device(device_id=-1, device=nothing)),
        "no_id": failing(lambda: devices.update_device(device_id=None, device=nothing)),
        "profile": failing(lambda: devices.update_device(device_id=device_in_use, device=wrong_profile)),
        "bic": failing(lambda: sims.register_sim("unknown")),
    }


created = None
done: dict[str, Any] = {"listing": listing()}
created = done["created"] = creating()
done["living"] = living(created)
done["mistakes"] = mistakes()
done["registered"] = [each.id for each in sims.register_sim("BIC-1")]
done["network"] = network()
done["deleting"] = deleting()
print(json.dumps(done))

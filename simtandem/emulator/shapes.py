"""How SIMs, endpoints and events look in the carrier's JSON: the keys that the live API was recorded sending.

A half that does not exist is left out, not null. Dates of SIMs and endpoints end in `+0000`, those of events in `Z`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from schemas.event_types import CATALOGUE
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.devices import OWN_ORGANISATION, Endpoint, Look, Sim
from simtandem.emulator.events import Event
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import imsi_of, ip_address_of, msisdn_of, name_of, with_luhn

SIM_STATUS_IDS = {
    SimStatus.ISSUED: 0,
    SimStatus.ACTIVATED: 1,
    SimStatus.SUSPENDED: 2,
    SimStatus.DELETED: 3,
    SimStatus.FACTORY_TEST: 4,
}
ENDPOINT_STATUS_IDS = {EndpointStatus.ENABLED: 0, EndpointStatus.DISABLED: 1, EndpointStatus.DELETED: 2}
SIM_STATUSES = {number: status for status, number in SIM_STATUS_IDS.items()}
ENDPOINT_STATUSES = {number: status for status, number in ENDPOINT_STATUS_IDS.items()}
SEVERITIES = ("Info", "Warn", "Critical")
PRODUCED = datetime(2024, 1, 15, 9, 30, tzinfo=UTC)
MODEL_ID = 2

_SIM_STATUS_SHAPES = {status: {"id": number, "description": status} for status, number in SIM_STATUS_IDS.items()}
_ENDPOINT_STATUS_SHAPES = {
    status: {"id": number, "description": status} for status, number in ENDPOINT_STATUS_IDS.items()
}
_COUNTRY = {"id": 74, "name": "Germany"}
_MODEL = {
    "id": MODEL_ID,
    "description": "4FF Industrial",
    "memory_size": 128,
    "formfactor": {"id": 4, "name": "4FF"},
    "manufacturer": {"id": 1, "name": "Giesecke+Devrient"},
}
_ADDRESS_SPACE = {"id": 1, "ip_address_space": "100.64.0.0/10", "ip_address_version": 4}


def sim_statuses() -> list[dict[str, object]]:
    """The list of SIM statuses."""
    return [dict(shape) for shape in _SIM_STATUS_SHAPES.values()]


def endpoint_statuses() -> list[dict[str, object]]:
    """The list of endpoint statuses."""
    return [dict(shape) for shape in _ENDPOINT_STATUS_SHAPES.values()]


def event_types() -> list[dict[str, object]]:
    """The list of event types."""
    return [{"id": kind.id, "description": kind.name} for kind in sorted(CATALOGUE, key=lambda kind: kind.id)]


def sim_item(sim: Sim, fleet: Fleet) -> dict[str, object]:
    """A SIM, in a listing and alone."""
    item: dict[str, object] = {
        "id": sim.id,
        "iccid": sim.iccid,
        "production_date": _PRODUCED,
        "status": _SIM_STATUS_SHAPES[sim.status],
        "issuer_org": organisation(sim.issuer_org),
        "imsi": imsi_of(sim.id),
        "msisdn": msisdn_of(sim.id),
        "model": _MODEL,
    }
    if sim.activated_at is not None:
        item["activation_date"] = timestamp(sim.activated_at)
    if sim.customer_org is not None:
        item["customer_org"] = organisation(sim.customer_org)
    if sim.reseller_org is not None:
        item["reseller_org"] = organisation(sim.reseller_org)
    if sim.endpoint_id is not None:
        item["endpoint"] = _endpoint_in_sim(fleet.endpoints[sim.endpoint_id])
    return _as_shown(item, fleet.sim_looks.get(sim.id))


def endpoint_item(endpoint: Endpoint, fleet: Fleet) -> dict[str, object]:
    """An endpoint with the SIM in it, in a listing and alone."""
    item: dict[str, object] = {
        "id": endpoint.id,
        "name": name_of(endpoint.id, endpoint.name),
        "tags": endpoint.tags,
        "created": timestamp(endpoint.created),
        "last_updated": timestamp(endpoint.updated),
        "status": _ENDPOINT_STATUS_SHAPES[endpoint.status],
        "service_profile": _profile("service", endpoint.service_profile),
        "tariff_profile": _profile("tariff", endpoint.tariff_profile) | {"satellite_capable": False},
        "imei": endpoint.imei,
        "imei_lock": endpoint.imei_lock,
        "ip_address": address_of(endpoint),
        "ip_address_space": _ADDRESS_SPACE,
    }
    if endpoint.sim_id is not None:
        sim = fleet.sims[endpoint.sim_id]
        shown: dict[str, object] = {
            "id": sim.id,
            "iccid": sim.iccid,
            "iccid_with_luhn": with_luhn(sim.iccid),
            "imsi": imsi_of(sim.id),
            "msisdn": msisdn_of(sim.id),
            "status": _SIM_STATUS_SHAPES[sim.status],
        }
        look = fleet.sim_looks.get(sim.id)
        if look is not None:
            look = Look({key: value for key, value in look.show.items() if key in shown}, look.hide)
        item["sim"] = _as_shown(shown, look)
    return _as_shown(item, fleet.endpoint_looks.get(endpoint.id))


def event_item(event: Event) -> dict[str, object]:
    """A line of the event log. Nobody's name is in it: an application token has none."""
    item: dict[str, object] = {
        "id": event.id,
        "timestamp": moment(event.at),
        "alert": False,
        "description": event.description,
        "event_type": {"id": event.kind, "description": event.words},
        "event_source": {"id": int(event.source), "description": event.source.words},
        "event_severity": {"id": 0, "description": SEVERITIES[0]},
        "organisation": {"id": OWN_ORGANISATION, "name": organisation_name(OWN_ORGANISATION)},
    }
    if event.endpoint_id is not None:
        item["endpoint"] = {
            "id": event.endpoint_id,
            "name": event.endpoint_name,
            "ip_address": event.ip_address,
            "tags": event.tags,
            "imei": event.imei,
        }
    if event.sim_id is not None:
        produced = moment(PRODUCED.timestamp())
        item["sim"] = {"id": event.sim_id, "iccid": event.iccid, "production_date": produced}
        item["imsi"] = {"id": event.sim_id, "imsi": imsi_of(event.sim_id), "import_date": produced}
    return item


def address_of(endpoint: Endpoint) -> str:
    """The private address of an endpoint."""
    return endpoint.ip_address or ip_address_of(endpoint.id)


def organisation_name(number: int) -> str:
    """What an organisation is called."""
    return f"Organisation {number}"


@lru_cache
def organisation(number: int) -> Mapping[str, object]:
    """An organisation in a SIM."""
    return {"id": number, "name": organisation_name(number), "country": _COUNTRY}


def timestamp(seconds: float) -> str:
    """Epoch seconds as in SIMs and endpoints: UTC, whole seconds, with three noughts."""
    return _whole_second(int(seconds))


def moment(seconds: float) -> str:
    """Epoch seconds as in events: UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@lru_cache(maxsize=4096)
def _whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _endpoint_in_sim(endpoint: Endpoint) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "name": name_of(endpoint.id, endpoint.name),
        "imei": endpoint.imei,
        "created": timestamp(endpoint.created),
        "last_updated": timestamp(endpoint.updated),
        "organisation_id": OWN_ORGANISATION,
        "service_profile_id": endpoint.service_profile,
        "tariff_profile_id": endpoint.tariff_profile,
        "tags": endpoint.tags,
        "ip_address": address_of(endpoint),
    }


def _profile(kind: str, number: int) -> dict[str, object]:
    return {"id": number, "name": f"Default {kind} profile"}


def _as_shown(item: dict[str, object], look: Look | None) -> dict[str, object]:
    if look is None:
        return item
    return {key: value for key, value in (item | look.show).items() if key not in look.hide}


_PRODUCED = timestamp(PRODUCED.timestamp())

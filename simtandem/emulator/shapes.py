"""How SIMs, endpoints and events look in the carrier's JSON. What does not exist is left out, not null."""

from datetime import UTC, datetime

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.devices import OWN_ORGANISATION, Endpoint, Sim
from simtandem.emulator.events import Event
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import imsi_of, msisdn_of, with_luhn

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

_SIM_STATUS_SHAPES = {status: {"id": number, "description": status} for status, number in SIM_STATUS_IDS.items()}
_ENDPOINT_STATUS_SHAPES = {
    status: {"id": number, "description": status} for status, number in ENDPOINT_STATUS_IDS.items()
}
_PRODUCED = "2024-01-15T09:30:00.000Z"
_MODEL = {
    "id": 2,
    "description": "4FF Industrial",
    "memory_size": 128,
    "formfactor": {"id": 4, "name": "4FF"},
    "manufacturer": {"id": 1, "name": "Giesecke+Devrient"},
}
_SERVICE_PROFILE = {"id": 398490, "name": "Default service profile"}
_TARIFF_PROFILE = {"id": 414470, "name": "Default tariff profile"}


def sim_statuses() -> list[dict[str, object]]:
    """The list of SIM statuses."""
    return [dict(shape) for shape in _SIM_STATUS_SHAPES.values()]


def endpoint_statuses() -> list[dict[str, object]]:
    """The list of endpoint statuses."""
    return [dict(shape) for shape in _ENDPOINT_STATUS_SHAPES.values()]


def sim_item(sim: Sim) -> dict[str, object]:
    """A SIM, in a listing and alone."""
    item: dict[str, object] = {
        "id": sim.id,
        "iccid": sim.iccid,
        "iccid_with_luhn": with_luhn(sim.iccid),
        "production_date": _PRODUCED,
        "status": _SIM_STATUS_SHAPES[sim.status],
        "issuer_org": _organisation(sim.issuer_org),
        "imsi": imsi_of(sim.id),
        "msisdn": msisdn_of(sim.id),
        "model": _MODEL,
    }
    if sim.activated_at is not None:
        item["activation_date"] = timestamp(sim.activated_at)
    if sim.customer_org is not None:
        item["customer_org"] = _organisation(sim.customer_org)
    if sim.reseller_org is not None:
        item["reseller_org"] = _organisation(sim.reseller_org)
    if sim.endpoint_id is not None:
        item["endpoint"] = {"id": sim.endpoint_id}
    return item


def endpoint_item(endpoint: Endpoint, fleet: Fleet) -> dict[str, object]:
    """An endpoint with the SIM in it, in a listing and alone."""
    item: dict[str, object] = {
        "id": endpoint.id,
        "name": name_of(endpoint.id, endpoint.name),
        "tags": endpoint.tags,
        "created": timestamp(endpoint.created),
        "last_updated": timestamp(endpoint.updated),
        "status": _ENDPOINT_STATUS_SHAPES[endpoint.status],
        "service_profile": _SERVICE_PROFILE,
        "tariff_profile": _TARIFF_PROFILE,
        "ip_address": ip_address_of(endpoint.id),
        "ip_address_space": {"id": 1},
        "imei": None,
        "imei_lock": False,
    }
    if endpoint.sim_id is not None:
        sim = fleet.sims[endpoint.sim_id]
        item["sim"] = {
            "id": sim.id,
            "iccid": sim.iccid,
            "iccid_with_luhn": with_luhn(sim.iccid),
            "imsi": imsi_of(sim.id),
            "msisdn": msisdn_of(sim.id),
            "status": _SIM_STATUS_SHAPES[sim.status],
        }
    return item


def event_item(event: Event) -> dict[str, object]:
    """A line of the event log. Nobody's name is in it: an application token has none."""
    item: dict[str, object] = {
        "id": event.id,
        "timestamp": timestamp(event.at),
        "alert": False,
        "description": event.description,
        "event_type": {"id": int(event.kind), "description": event.kind.words},
        "event_source": {"id": int(event.source), "description": event.source.words},
        "event_severity": {"id": 0, "description": "Info"},
        "organisation": {"id": OWN_ORGANISATION, "name": "Emulated Devices Ltd"},
    }
    if event.endpoint_id is not None:
        item["endpoint"] = {
            "id": event.endpoint_id,
            "name": name_of(event.endpoint_id, event.endpoint_name),
            "ip_address": ip_address_of(event.endpoint_id),
            "tags": None,
            "imei": None,
        }
    if event.sim_id is not None:
        item["sim"] = {"id": event.sim_id, "iccid": event.iccid, "production_date": _PRODUCED}
        item["imsi"] = {"id": event.sim_id, "imsi": imsi_of(event.sim_id), "import_date": _PRODUCED}
    return item


def name_of(endpoint_id: int, name: str | None) -> str:
    """What an endpoint is called."""
    return name if name is not None else f"device-{endpoint_id}"


def ip_address_of(endpoint_id: int) -> str:
    """The private address of an endpoint, from 100.64.0.0/10."""
    return f"100.{64 + (endpoint_id >> 16) % 64}.{(endpoint_id >> 8) % 256}.{endpoint_id % 256}"


def timestamp(seconds: float) -> str:
    """Epoch seconds as the carrier writes them: UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _organisation(number: int) -> dict[str, object]:
    return {"id": number, "name": f"Organisation {number}"}

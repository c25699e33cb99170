"""Reading request bodies as strictly as the carrier's documents describe them: a caller's mistake shall show."""

import json
from dataclasses import dataclass

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.refusals import INVALID_BODY, INVALID_REFERENCE, INVALID_VALUE, RefusalError
from simtandem.emulator.shapes import ENDPOINT_STATUSES, SIM_STATUSES

MOST_IN_BULK = 2000
_ORGANISATIONS = ("issuer_org", "reseller_org", "customer_org")
_TEXTS = ("name", "tags")
_BEYOND_THE_EMULATOR = (
    "service_profile",
    "tariff_profile",
    "ip_address",
    "ip_address_space",
    "sim",
    "imei",
    "imei_lock",
)


@dataclass(frozen=True, slots=True)
class SimPatch:
    """What a caller wants changed of a SIM. `organisations` has only those that were sent; `None` empties one."""

    status: SimStatus | None
    organisations: dict[str, int | None]


@dataclass(frozen=True, slots=True)
class EndpointPatch:
    """What a caller wants changed of an endpoint. `texts` has only those that were sent."""

    id: int
    status: EndpointStatus | None
    texts: dict[str, str | None]


def read_object(body: bytes) -> dict[str, object]:
    """The JSON object in a body."""
    content = _read_json(body)
    if not isinstance(content, dict):
        raise _malformed("an object is expected")
    return content


def read_sim_patch(body: bytes) -> SimPatch:
    """The body of `PATCH /api/v1/sim/{id}`."""
    fields = read_object(body)
    _check_names(fields, {"status", *_ORGANISATIONS})
    number = _status_number(fields)
    if number is not None and number not in SIM_STATUSES:
        raise RefusalError(404, INVALID_REFERENCE, f"SIM status {number} not found")
    organisations = {name: _organisation(name, fields[name]) for name in _ORGANISATIONS if name in fields}
    return SimPatch(None if number is None else SIM_STATUSES[number], organisations)


def read_endpoint_patch(endpoint_id: int, body: bytes) -> EndpointPatch:
    """The body of `PATCH /api/v1/endpoint/{id}`."""
    return _endpoint_patch(endpoint_id, read_object(body))


def read_endpoint_patches(body: bytes) -> list[EndpointPatch]:
    """The body of `PATCH /api/v2/endpoint/multi`: an array of 1 to 2,000 objects, each with the endpoint's `id`."""
    rows = _read_json(body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _malformed("an array of objects is expected")
    if not 1 <= len(rows) <= MOST_IN_BULK:
        raise _malformed(f"1 to {MOST_IN_BULK} endpoints are expected, got {len(rows)}")
    patches = []
    for row in rows:
        fields = dict(row)
        endpoint_id = fields.pop("id", None)
        if type(endpoint_id) is not int:
            raise _malformed("every object needs an integer id")
        patches.append(_endpoint_patch(endpoint_id, fields))
    return patches


def _endpoint_patch(endpoint_id: int, fields: dict[str, object]) -> EndpointPatch:
    _check_names(fields, {"status", *_TEXTS, *_BEYOND_THE_EMULATOR})
    for name in _BEYOND_THE_EMULATOR:
        if name in fields:
            raise _invalid(f"the emulator can't change {name}")
    number = _status_number(fields)
    if number is not None and ENDPOINT_STATUSES.get(number) not in {EndpointStatus.ENABLED, EndpointStatus.DISABLED}:
        raise _invalid(f"Status is invalid: {number}")
    texts: dict[str, str | None] = {}
    for name in _TEXTS:
        if name in fields:
            value = fields[name]
            if value is not None and not isinstance(value, str):
                raise _malformed(f"{name} must be text")
            texts[name] = value
    return EndpointPatch(endpoint_id, None if number is None else ENDPOINT_STATUSES[number], texts)


def _read_json(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except ValueError:
        raise _malformed("no JSON") from None
    return content


def _check_names(fields: dict[str, object], known: set[str]) -> None:
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise _malformed(f"unknown fields: {', '.join(unknown)}")
    if not fields:
        raise _malformed("nothing to change")


def _status_number(fields: dict[str, object]) -> int | None:
    if "status" not in fields:
        return None
    status = fields["status"]
    if not isinstance(status, dict) or type(status.get("id")) is not int:
        raise _malformed("status must be an object with an integer id")
    number: int = status["id"]
    return number


def _organisation(name: str, value: object) -> int | None:
    if not isinstance(value, dict):
        raise _malformed(f"{name} must be an object")
    number = value.get("id")
    if number is None and name != "issuer_org":
        return None
    if type(number) is not int:
        raise _malformed(f"{name} needs an integer id")
    return number


def _malformed(reason: str) -> RefusalError:
    return RefusalError(400, INVALID_BODY, f"Request body is malformed: {reason}")


def _invalid(reason: str) -> RefusalError:
    return RefusalError(422, INVALID_VALUE, reason, errors=[RefusalError(422, INVALID_VALUE, reason)])

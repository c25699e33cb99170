"""Reading request bodies as the carrier's documents describe them. What is wrong in one is listed, field by field."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.numbers import from_json
from simtandem.emulator.refusals import (
    INVALID_REFERENCE,
    RefusalError,
    bad_request,
    required,
    validation_failed,
    wrong_format,
)
from simtandem.emulator.shapes import ENDPOINT_STATUSES, SIM_STATUSES

MOST_IN_BULK = 2000
MOST_PROFILES = 999_999
_ORGANISATIONS = ("issuer_org", "reseller_org", "customer_org")
_TEXTS = ("name", "tags", "imei", "ip_address")
_PROFILES = {"service_profile": "Service profile", "tariff_profile": "Tariff profile"}
_SIM_FIELDS = {"status", *_ORGANISATIONS}
_ENDPOINT_FIELDS = {"status", "sim", "imei_lock", "ip_address_space", *_TEXTS, *_PROFILES}
_ENABLED_OR_DISABLED = {EndpointStatus.ENABLED, EndpointStatus.DISABLED}
_FACTORY_TEST_IN_BULK = 5  # so the documents of the bulk calls number it, and they alone


@dataclass(frozen=True, slots=True)
class SimPatch:
    """What a caller wants changed of a SIM. `organisations` has only those that were sent; `None` empties one."""

    status: SimStatus | None = None
    organisations: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimWish:
    """The SIM an endpoint shall have: `None` releases it. `status` and `activate` are for the SIM itself."""

    id: int | None
    status: SimStatus | None = None
    activate: bool = False


@dataclass(frozen=True, slots=True)
class EndpointPatch:
    """What a caller wants of an endpoint. `fields` has only those that were sent; `sim` is None where it wasn't."""

    status: EndpointStatus | None = None
    sim: SimWish | None = None
    fields: dict[str, object] = field(default_factory=dict)


class Complaints:
    """Collects what is wrong in one object. `unknown_fields` are refused unless a caller allows them."""

    def __init__(self, what: str, fields: Mapping[str, object], known: Iterable[str], *, strict: bool) -> None:
        self.what = what
        self.fields = fields
        self.errors: list[RefusalError] = []
        if strict:
            self.errors += [wrong_format(what, name, "no such field") for name in sorted(fields.keys() - {*known})]

    def number(self, name: str) -> int | None:
        """The id in a field that is an object with one; None, and a complaint, where there is none."""
        value = self.fields[name]
        if not isinstance(value, dict):
            self.errors.append(wrong_format(self.what, name, "Object"))
            return None
        if value.get("id") is None:
            self.errors.append(required(self.what, f"{name}.id"))
            return None
        number = from_json(value["id"])
        if number is None:
            self.errors.append(wrong_format(self.what, f"{name}.id", "Number"))
        return number

    def emptiable(self, name: str) -> int | None:
        """The same, where `{}`, `{"id": null}` and `null` mean none."""
        value = self.fields[name]
        if value is None or (isinstance(value, dict) and value.get("id") is None):
            return None
        return self.number(name)

    def text(self, name: str) -> str | None:
        """A text or null."""
        value = self.fields[name]
        if value is not None and not isinstance(value, str):
            self.errors.append(wrong_format(self.what, name, "String"))
            return None
        return value

    def flag(self, fields: Mapping[str, object], name: str) -> bool:
        """A boolean; false where it is missing."""
        value = fields.get(name, False)
        if not isinstance(value, bool):
            self.errors.append(wrong_format(self.what, name, "Boolean"))
        return value is True

    def unknown(self, what: str, number: int) -> None:
        """A reference to what does not exist."""
        self.errors.append(RefusalError(422, INVALID_REFERENCE, f"{what} with Id '{number}' not found."))

    def raise_any(self, message: str, status: int = 422) -> None:
        """Refuse the body if anything is wrong in it."""
        if self.errors:
            raise validation_failed(message, self.errors, status)


def read_object(body: bytes) -> dict[str, object]:
    """The JSON object in a body."""
    content = _read_json(body)
    if not isinstance(content, dict):
        raise bad_request("Request body is malformed: an object is expected")
    return content


def read_objects(body: bytes) -> list[dict[str, object]]:
    """The JSON array of 1 to 2,000 objects in a body."""
    rows = _read_json(body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_request("Request body is malformed: an array of objects is expected")
    if not 1 <= len(rows) <= MOST_IN_BULK:
        raise bad_request(f"Request body is malformed: 1 to {MOST_IN_BULK} objects are expected, got {len(rows)}")
    return rows


def read_sim_patch(body: bytes, *, strict: bool = True) -> SimPatch:
    """The body of `PATCH /api/v1/sim/{id}`. The documents know one refusal of it: 400."""
    fields = read_object(body)
    complaints = Complaints("SIM", fields, _SIM_FIELDS, strict=strict)
    number = complaints.number("status") if "status" in fields else None
    if number is not None and number not in SIM_STATUSES:
        complaints.unknown("SIM status", number)
    organisations = {
        name: complaints.number(name) if name == "issuer_org" else complaints.emptiable(name)
        for name in _ORGANISATIONS
        if name in fields
    }
    complaints.raise_any("Update SIM validation error", 400)
    return SimPatch(None if number is None else SIM_STATUSES[number], organisations)


def read_endpoint_patch(body: bytes, *, strict: bool = True) -> EndpointPatch:
    """The body of `PATCH /api/v1/endpoint/{id}`."""
    patch, complaints = endpoint_patch(read_object(body), strict=strict)
    complaints.raise_any("Update endpoint validation error")
    return patch


def read_endpoint_patches(body: bytes, *, strict: bool = True) -> list[tuple[int, EndpointPatch]]:
    """The body of `PATCH /api/v2/endpoint/multi`, each row with its id. One wrong field refuses it all."""
    patches, errors = [], []
    for row in read_objects(body):
        fields = dict(row)
        number = from_json(fields.pop("id", None))
        if number is None:
            raise bad_request("Request body is malformed: every object needs the id of an endpoint")
        patch, complaints = endpoint_patch(fields, strict=strict, bulk=True)
        patches.append((number, patch))
        errors += complaints.errors
    if errors:
        raise validation_failed("Update endpoint validation error", errors)
    return patches


def read_ids(body: bytes) -> list[int]:
    """The body of a bulk deletion: an array of objects with an id each."""
    numbers = [from_json(row.get("id")) for row in read_objects(body)]
    if None in numbers:
        raise bad_request("Request body is malformed: every object needs an id")
    return [number for number in numbers if number is not None]


def endpoint_patch(
    fields: Mapping[str, object], *, strict: bool, bulk: bool = False, also: Iterable[str] = ()
) -> tuple[EndpointPatch, Complaints]:
    """What is wanted of an endpoint, and what is wrong about it. `also` names fields that the caller reads itself."""
    complaints = Complaints("Endpoint", fields, {*_ENDPOINT_FIELDS, *also}, strict=strict)
    status = _endpoint_status(complaints)
    sim = _sim_wish(complaints, bulk=bulk) if "sim" in fields else None
    wanted: dict[str, object] = {name: complaints.text(name) for name in _TEXTS if name in fields}
    if "imei_lock" in fields:
        wanted["imei_lock"] = complaints.flag(fields, "imei_lock")
    for name, what in _PROFILES.items():
        if name in fields:
            wanted[name] = number = complaints.number(name)
            if number is not None and not 1 <= number <= MOST_PROFILES:
                complaints.unknown(what, number)
    if "ip_address_space" in fields:
        complaints.emptiable("ip_address_space")
    elif fields.get("ip_address") is not None:
        complaints.errors.append(required("Endpoint", "ip_address_space"))
    imei = wanted.get("imei")
    if isinstance(imei, str) and not (imei.isascii() and imei.isdigit() and 14 <= len(imei) <= 16):
        complaints.errors.append(wrong_format("Endpoint", "imei", "14 to 16 digits"))
    return EndpointPatch(status, sim, wanted), complaints


def _endpoint_status(complaints: Complaints) -> EndpointStatus | None:
    number = complaints.number("status") if "status" in complaints.fields else None
    if number is None:
        return None
    status = ENDPOINT_STATUSES.get(number)
    if status not in _ENABLED_OR_DISABLED:
        complaints.unknown("Endpoint status", number)
    return status


def _sim_wish(complaints: Complaints, *, bulk: bool) -> SimWish:
    number = complaints.emptiable("sim")
    sim = complaints.fields["sim"]
    if not isinstance(sim, dict):
        return SimWish(number)
    activate = complaints.flag(sim, "activate")
    if sim.get("status") is None:
        return SimWish(number, activate=activate)
    inner = Complaints("SIM", sim, sim, strict=False)
    wanted = inner.number("status")
    complaints.errors += inner.errors
    if bulk and wanted == _FACTORY_TEST_IN_BULK:
        wanted = 4
    status = None if wanted is None else SIM_STATUSES.get(wanted)
    if wanted is not None and status not in {SimStatus.ACTIVATED, SimStatus.FACTORY_TEST}:
        complaints.unknown("SIM status", wanted)
    return SimWish(number, status, activate)


def _read_json(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("Request body is malformed: no JSON") from None
    return content

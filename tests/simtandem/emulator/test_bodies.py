import json

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.bodies import (
    EndpointPatch,
    SimPatch,
    SimWish,
    read_endpoint_patch,
    read_endpoint_patches,
    read_ids,
    read_object,
    read_sim_patch,
)
from simtandem.emulator.refusals import RefusalError

ENABLE = {"status": {"id": 0}}


def refused(error: RefusalError) -> tuple[int, int, list[int]]:
    """Status and code of a refusal, and the codes of the errors in it."""
    return error.status, error.code, [each.code for each in error.errors or []]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(RefusalError) as caught:
        read_object(body)
    assert refused(caught.value) == (400, 1000, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"status": 1}, 1403),
        ({"status": {}}, 1402),
        ({"status": {"id": "1"}}, 1403),
        ({"status": {"id": True}}, 1403),
        ({"status": {"id": 1.5}}, 1403),
        ({"status": {"id": 1e300}}, 1403),
        ({"status": {"id": 1}, "colour": "red"}, 1403),
        ({"status": {"id": 1}, "customer_org": 5}, 1403),
        ({"issuer_org": {}}, 1402),
        ({"status": {"id": 5}}, 1401),
    ],
)
def test_wrong_sim_patch_is_refused_with_what_is_wrong(body: object, code: int) -> None:
    with pytest.raises(RefusalError) as caught:
        read_sim_patch(json.dumps(body).encode())
    assert refused(caught.value) == (400, 1400, [code])
    assert caught.value.body()["error_token"] == "InputValidationFailed"


def test_sim_patch_has_only_what_was_sent() -> None:
    assert read_sim_patch(b"{}") == SimPatch()
    assert read_sim_patch(b'{"status": {"id": 4}}') == SimPatch(SimStatus.FACTORY_TEST, {})
    body = b'{"reseller_org": {}, "customer_org": {"id": null}, "issuer_org": {"id": 3}}'
    assert read_sim_patch(body) == SimPatch(None, {"issuer_org": 3, "reseller_org": None, "customer_org": None})


def test_numbers_may_be_doubles_and_a_status_may_have_its_words() -> None:
    activated = SimPatch(SimStatus.ACTIVATED, {"customer_org": 12})
    assert read_sim_patch(b'{"status": {"id": 1.0}, "customer_org": {"id": 12.0}}') == activated
    disabled = EndpointPatch(EndpointStatus.DISABLED)
    assert read_endpoint_patch(b'{"status": {"id": 1.0, "description": "Disabled"}}') == disabled
    assert read_endpoint_patches(b'[{"id": 7.0, "status": {"id": 1.0}}]') == [(7, disabled)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"status": {"id": 2}}, 1401),
        ({"status": {"id": 9}}, 1401),
        ({"status": "Enabled"}, 1403),
        ({"name": 7}, 1403),
        ({"imei": "abc"}, 1403),
        ({"imei_lock": "yes"}, 1403),
        ({"ip_address": "100.64.0.9"}, 1402),
        ({"service_profile": {"id": -1}}, 1401),
        ({"tariff_profile": {}}, 1402),
        ({"sim": 5}, 1403),
        ({"sim": {"id": 5, "status": {"id": 2}}}, 1401),
        ({"sim": {"id": 5, "status": {"id": 5}}}, 1401),
        ({"colour": "red"}, 1403),
    ],
)
def test_wrong_endpoint_patch_is_refused_with_what_is_wrong(body: object, code: int) -> None:
    with pytest.raises(RefusalError) as caught:
        read_endpoint_patch(json.dumps(body).encode())
    assert refused(caught.value) == (422, 1400, [code])


def test_several_mistakes_are_listed_one_by_one() -> None:
    with pytest.raises(RefusalError) as caught:
        read_endpoint_patch(b'{"service_profile": {"id": -1}, "name": 7, "status": {}}')
    errors = caught.value.body()["errors"]
    assert isinstance(errors, list)
    assert [each["message"] for each in errors] == [
        "Endpoint - status.id is required.",
        "Endpoint - name has invalid format: expecting String.",
        "Service profile with Id '-1' not found.",
    ]


@pytest.mark.parametrize("release", [{"id": None}, {}, None])
def test_a_sim_is_named_or_released(release: object) -> None:
    assert read_endpoint_patch(json.dumps({"sim": release}).encode()).sim == SimWish(None)
    body = b'{"sim": {"id": 5.0, "activate": true, "status": {"id": 4}}}'
    assert read_endpoint_patch(body).sim == SimWish(5, SimStatus.FACTORY_TEST, activate=True)


def test_bulk_calls_number_factory_test_five_as_their_documents_do() -> None:
    rows = read_endpoint_patches(b'[{"id": 7, "sim": {"id": 5, "status": {"id": 5}}}]')
    assert rows == [(7, EndpointPatch(sim=SimWish(5, SimStatus.FACTORY_TEST)))]


def test_unknown_fields_are_ignored_where_asked() -> None:
    assert read_sim_patch(b'{"colour": "red"}', strict=False) == SimPatch()
    assert read_endpoint_patch(b'{"colour": "red"}', strict=False) == EndpointPatch()


@pytest.mark.parametrize("body", [{}, [], [1], [ENABLE], [{"id": "1", **ENABLE}], [{"id": 7}] * 2001])
def test_wrong_bulk_is_malformed(body: object) -> None:
    with pytest.raises(RefusalError) as caught:
        read_endpoint_patches(json.dumps(body).encode())
    assert refused(caught.value) == (400, 1000, [])


def test_bulk_is_read_row_by_row() -> None:
    body = [{"id": 7, **ENABLE}, {"id": 8, "status": {"id": 1}, "tags": None}]
    assert read_endpoint_patches(json.dumps(body).encode()) == [
        (7, EndpointPatch(EndpointStatus.ENABLED)),
        (8, EndpointPatch(EndpointStatus.DISABLED, fields={"tags": None})),
    ]


def test_ids_of_a_bulk_deletion_are_read() -> None:
    assert read_ids(b'[{"id": 7}, {"id": 8.0}]') == [7, 8]
    with pytest.raises(RefusalError):
        read_ids(b'[{"id": 7}, {}]')

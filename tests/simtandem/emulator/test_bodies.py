import json

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.bodies import (
    EndpointPatch,
    SimPatch,
    read_endpoint_patch,
    read_endpoint_patches,
    read_object,
    read_sim_patch,
)
from simtandem.emulator.refusals import RefusalError

ENABLE = {"status": {"id": 0}}


def refused(reading: object) -> tuple[int, int]:
    assert isinstance(reading, RefusalError)
    return reading.status, reading.code


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"null", b"\xff"])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(RefusalError) as caught:
        read_object(body)
    assert refused(caught.value) == (400, 1400)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 1400),
        ([], 400, 1400),
        ("text", 400, 1400),
        ({"status": 1}, 400, 1400),
        ({"status": {}}, 400, 1400),
        ({"status": {"id": "1"}}, 400, 1400),
        ({"status": {"id": True}}, 400, 1400),
        ({"status": {"id": 1}, "colour": "red"}, 400, 1400),
        ({"status": {"id": 1}, "customer_org": 5}, 400, 1400),
        ({"issuer_org": {}}, 400, 1400),
        ({"status": {"id": 5}}, 404, 1401),
    ],
)
def test_wrong_sim_patch_is_refused(body: object, status: int, code: int) -> None:
    with pytest.raises(RefusalError) as caught:
        read_sim_patch(json.dumps(body).encode())
    assert refused(caught.value) == (status, code)


def test_sim_patch_has_only_what_was_sent() -> None:
    assert read_sim_patch(b'{"status": {"id": 4}}') == SimPatch(SimStatus.FACTORY_TEST, {})
    body = b'{"reseller_org": {}, "customer_org": {"id": null}, "issuer_org": {"id": 3}}'
    assert read_sim_patch(body) == SimPatch(None, {"issuer_org": 3, "reseller_org": None, "customer_org": None})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"status": {"id": 2}}, 422, 1403),
        ({"status": {"id": 9}}, 422, 1403),
        ({"sim": {"id": 1}}, 422, 1403),
        ({"status": "Enabled"}, 400, 1400),
        ({"name": 7}, 400, 1400),
        ({"colour": "red"}, 400, 1400),
        ({}, 400, 1400),
    ],
)
def test_wrong_endpoint_patch_is_refused(body: object, status: int, code: int) -> None:
    with pytest.raises(RefusalError) as caught:
        read_endpoint_patch(7, json.dumps(body).encode())
    assert refused(caught.value) == (status, code)
    assert ("errors" in caught.value.body()) == (status == 422)


@pytest.mark.parametrize("body", [{}, [], [1], [ENABLE], [{"id": "1", **ENABLE}], [{"id": 7}], [{"id": 7}] * 2001])
def test_wrong_bulk_is_refused(body: object) -> None:
    with pytest.raises(RefusalError) as caught:
        read_endpoint_patches(json.dumps(body).encode())
    assert refused(caught.value) == (400, 1400)


def test_bulk_is_read_row_by_row() -> None:
    body = [{"id": 7, **ENABLE}, {"id": 8, "status": {"id": 1}, "tags": None}]
    assert read_endpoint_patches(json.dumps(body).encode()) == [
        EndpointPatch(7, EndpointStatus.ENABLED, {}),
        EndpointPatch(8, EndpointStatus.DISABLED, {"tags": None}),
    ]

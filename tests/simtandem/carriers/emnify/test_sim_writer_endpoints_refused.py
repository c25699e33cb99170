import math
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus
from simtandem.carriers.emnify.paths import BULK
from simtandem.carriers.protocol import PartlyChanged, StepResult
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted, LedgerError
from tests.simtandem.carriers.emnify.picky_carrier import PickyCarrier
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    Handler,
    Rig,
    ScriptedCarrier,
    breaks,
    calls_to,
    endpoint_changes,
    outcomes,
    says,
    scripted,
)

ON = EndpointStatus.ENABLED
PATCH_ENDPOINT, PATCH_MANY = "PATCH /api/v1/endpoint/{id}", f"PATCH {BULK}"
GET_ENDPOINT, LIST_ENDPOINTS = "GET /api/v1/endpoint/{id}", "GET /api/v1/endpoint"


# --- endpoints: refusals


async def bisect(tmp_path: Path, carrier: PickyCarrier, count: int) -> list[StepResult]:
    async with scripted(tmp_path, carrier) as rig:
        return await rig.endpoints.change(endpoint_changes(range(1, count + 1)))


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "partial"])
@pytest.mark.parametrize("bad", [{1}, {500}, {250}, {123, 124}, {7, 301}, set(range(1, 11))])
async def test_refused_bulk_call_is_narrowed_down_to_the_bad_rows_and_the_others_are_applied(
    tmp_path: Path, bad: set[int], atomic: bool
) -> None:
    carrier = PickyCarrier(500, bad, atomic=atomic)
    results = await bisect(tmp_path, carrier, 500)
    assert {result.row - 1 for result in results if result.outcome is Outcome.REFUSED} == bad
    assert outcomes(results).count(Outcome.APPLIED) == 500 - len(bad)
    assert {number for number, status in carrier.status.items() if status == 1} == bad
    assert carrier.needless == 0
    assert all("HTTP 422" in result.error for result in results if result.outcome is Outcome.REFUSED)
    each = 2 * math.ceil(math.log2(500)) if atomic else 2
    probes = 12 if atomic and len(bad) > 1 else 0  # where both halves are refused
    assert len(carrier.patches) <= 1 + each * len(bad) + probes
    assert carrier.reads <= 2 + math.ceil(math.log2(500)) + len(bad) * 2


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "partial"])
async def test_fleet_of_nothing_but_bad_rows_ends_refused(tmp_path: Path, atomic: bool) -> None:
    carrier = PickyCarrier(16, range(1, 17), atomic=atomic)
    assert outcomes(await bisect(tmp_path, carrier, 16)) == [Outcome.REFUSED] * 16
    assert len(carrier.patches) <= 31


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "partial"])
async def test_carrier_whose_first_refusal_was_of_bad_rows_only_is_not_taken_for_atomic(
    tmp_path: Path, atomic: bool
) -> None:
    carrier = PickyCarrier(500, [1, 2, 3, 100], atomic=atomic)
    async with scripted(tmp_path, carrier) as rig:
        await rig.endpoints.change(endpoint_changes([1, 2, 3]))
        results = await rig.endpoints.change(endpoint_changes(range(4, 501)))
    assert outcomes(results).count(Outcome.APPLIED) == 496
    assert carrier.needless == 0


async def test_once_a_carrier_is_known_to_reject_the_whole_refused_calls_are_not_read_any_more(tmp_path: Path) -> None:
    carrier = PickyCarrier(128, [40, 100])
    async with scripted(tmp_path, carrier) as rig:
        await rig.endpoints.change(endpoint_changes(range(1, 65)))
        before = carrier.reads
        await rig.endpoints.change(endpoint_changes(range(65, 129)))
    assert carrier.reads - before == 1  # the one bad row, before its refusal is believed


@pytest.mark.parametrize("bulk", ["atomic", "partial"])
async def test_endpoints_the_carrier_does_not_have_any_more_cost_three_calls_however_many(
    carrier: Emulator, rig: Rig, bulk: str
) -> None:
    carrier.refill([Group(200)])
    carrier.configure(bulk=bulk)
    changes = endpoint_changes(carrier.fleet.endpoint_ids)

    def remove(fleet: Fleet) -> None:
        for number in (3, 77, 78, 150):
            fleet.drift_delete_endpoint(FIRST_ENDPOINT + number)

    carrier.change(remove)
    results = await rig.endpoints.change(changes)
    refused = [result.row - 2 for result in results if result.outcome is Outcome.REFUSED]
    assert refused == [3, 77, 78, 150]
    assert outcomes(results).count(Outcome.APPLIED) == 196
    assert calls_to(carrier) == {PATCH_MANY: 2 if bulk == "atomic" else 1, LIST_ENDPOINTS: 1}
    assert carrier.stats()["needless_endpoint_patches"] == 0


@pytest.mark.parametrize("bulk", ["atomic", "partial"])
@pytest.mark.parametrize("same_status", [204, 409, 422])
async def test_endpoint_that_others_changed_first_does_not_keep_the_rest_from_it(
    carrier: Emulator, rig: Rig, bulk: str, same_status: int
) -> None:
    carrier.refill([Group(50)])
    carrier.configure(bulk=bulk, same_status=same_status)
    carrier.change(lambda fleet: fleet.drift_endpoint(FIRST_ENDPOINT + 20, ON))
    results = await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids))
    assert set(outcomes(results)) <= {Outcome.APPLIED, Outcome.UNCHANGED}
    assert {endpoint.status for endpoint in carrier.fleet.endpoints.values()} == {ON}
    assert carrier.stats()["needless_endpoint_patches"] <= 1


async def test_what_others_changed_before_a_refused_call_is_not_told_as_that_calls_doing(tmp_path: Path) -> None:
    carrier = PickyCarrier(40)
    carrier.status.update(dict.fromkeys((8, 9, 10), 0))
    results = await bisect(tmp_path, carrier, 40)
    assert {result.row - 1 for result in results if result.outcome is Outcome.UNCHANGED} == {8, 9, 10}
    assert outcomes(results).count(Outcome.APPLIED) == 37


async def test_what_a_refused_call_may_have_changed_in_part_is_told_as_applied(tmp_path: Path) -> None:
    results = await bisect(tmp_path, PickyCarrier(40, {8}, atomic=False), 40)
    assert outcomes(results).count(Outcome.APPLIED) == 39


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_single_refusal_is_believed_only_after_reading(carrier: Emulator, rig: Rig, status: int) -> None:
    carrier.refill([Group(1, SimStatus.ISSUED, ON)])
    carrier.configure(same_status=status)
    (result,) = await rig.endpoints.change(endpoint_changes([FIRST_ENDPOINT]))
    assert (result.outcome, result.http_status, result.error) == (Outcome.UNCHANGED, status, "")
    assert calls_to(carrier) == {PATCH_ENDPOINT: 1, GET_ENDPOINT: 1}


async def test_single_endpoint_nobody_has_is_refused_without_reading(carrier: Emulator, rig: Rig) -> None:
    (result,) = await rig.endpoints.change(endpoint_changes([FIRST_ENDPOINT]))
    assert (result.outcome, result.http_status) == (Outcome.REFUSED, 404)
    assert calls_to(carrier) == {PATCH_ENDPOINT: 1}


# --- endpoints: without the right to bulk calls


async def test_without_the_right_to_bulk_calls_endpoints_are_changed_one_by_one(tmp_path: Path) -> None:
    carrier = PickyCarrier(5, forbids=("/multi",))
    async with scripted(tmp_path, carrier) as rig:
        first = await rig.endpoints.change(endpoint_changes([1, 2, 3]))
        second = await rig.endpoints.change(endpoint_changes([4, 5]))
    assert outcomes(first + second) == [Outcome.APPLIED] * 5
    assert carrier.patches == [[1, 2, 3], [1], [2], [3], [4], [5]]  # the bulk call is not tried again


async def test_without_any_right_a_dozen_refusals_speak_for_all(tmp_path: Path) -> None:
    carrier = PickyCarrier(500, forbids=("",))
    results = await bisect(tmp_path, carrier, 500)
    assert outcomes(results) == [Outcome.REFUSED] * 500
    assert len(carrier.patches) == 3 + 12
    assert {"may not do this" in result.error for result in results} == {True}


@pytest.mark.parametrize("without_bulk", [True, False])
async def test_an_endpoint_that_may_not_be_changed_costs_its_own_row(tmp_path: Path, without_bulk: bool) -> None:
    carrier = PickyCarrier(300, forbids=("/multi", "/1") if without_bulk else ("/1",), forbidden_rows=(1,))
    results = await bisect(tmp_path, carrier, 300)
    assert outcomes(results) == [Outcome.REFUSED] + [Outcome.APPLIED] * 299
    assert without_bulk or len(carrier.patches) <= 25


async def test_bad_rows_among_single_calls_do_not_stop_the_others(tmp_path: Path) -> None:
    carrier = PickyCarrier(5, [2], forbids=("/multi",))
    carrier.meanwhile = {4: 0}
    results = await bisect(tmp_path, carrier, 5)
    assert outcomes(results) == [
        Outcome.APPLIED,
        Outcome.REFUSED,
        Outcome.APPLIED,
        Outcome.UNCHANGED,
        Outcome.APPLIED,
    ]


async def test_silence_among_single_calls_is_read_back(tmp_path: Path) -> None:
    carrier = PickyCarrier(3, forbids=("/multi",), silent=1, keeps=1)
    results = await bisect(tmp_path, carrier, 3)
    assert outcomes(results) == [Outcome.APPLIED] * 3
    assert carrier.patches == [[1, 2, 3], [1], [2], [3]]


# --- endpoints: an end in the midst of it


async def test_stop_before_anything_was_sent_is_an_interruption(tmp_path: Path) -> None:
    carrier = PickyCarrier(5)
    async with scripted(tmp_path, carrier) as rig:
        await rig.transport.tokens.current()
        rig.budget.halt()
        with pytest.raises(Interrupted):
            await rig.endpoints.change(endpoint_changes(range(1, 6)))
    assert carrier.patches == []


def stopping(rig: Callable[[], Rig], carrier: PickyCarrier) -> Handler:
    """The carrier, and a stop after its first PATCH."""

    def answer(request: httpx.Request) -> httpx.Response:
        response = carrier(request)
        if request.method == "PATCH":
            rig().budget.halt()
        return response

    return answer


@pytest.mark.parametrize(("count", "bad"), [(2001, []), (8, [8])], ids=["between two parts", "while bisecting"])
async def test_stop_after_something_was_sent_says_of_each_what_is_known(
    tmp_path: Path, count: int, bad: list[int]
) -> None:
    carrier = PickyCarrier(count, bad)
    rigs: list[Rig] = []
    async with scripted(tmp_path, stopping(lambda: rigs[0], carrier)) as rig:
        rigs.append(rig)
        with pytest.raises((PartlyChanged, CarrierUnavailable)) as caught:
            await rig.endpoints.change(endpoint_changes(range(1, count + 1)))
    assert len(carrier.patches) == 1
    if bad:
        assert isinstance(caught.value, CarrierUnavailable)
        assert caught.value.maybe_processed, "it was refused as a whole, and could not be read"
    else:
        assert isinstance(caught.value, PartlyChanged)
        assert (len(caught.value.results), caught.value.unclear) == (2000, set())
        assert isinstance(caught.value.cause, Interrupted)


async def test_outage_after_something_was_sent_says_of_each_what_is_known(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(204), breaks(httpx.ConnectError))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(PartlyChanged) as caught:
            await rig.endpoints.change(endpoint_changes(range(1, 2002)))
        with pytest.raises(CarrierUnavailable) as never:
            await rig.endpoints.change(endpoint_changes([1, 2]))
    assert isinstance(caught.value.cause, CarrierUnavailable)
    assert {each.outcome for each in caught.value.results} == {Outcome.APPLIED}
    assert (len(caught.value.results), len(caught.value.tried), caught.value.unclear) == (2000, 2001, set())
    assert not never.value.maybe_processed


class Ends:
    """The carrier, until three endpoints were changed: then the token is not accepted any more, or something breaks."""

    def __init__(self, carrier: PickyCarrier, fault: str) -> None:
        self._carrier, self._fault = carrier, fault
        self._over = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        changed = sum(status == 0 for status in self._carrier.status.values())
        self._over = self._over or (request.method == "PATCH" and changed == 3)
        if self._over and self._fault == "ledger":
            raise LedgerError("The disk is full.")
        return httpx.Response(401) if self._over else self._carrier(request)


@pytest.mark.parametrize("fault", ["token", "ledger"])
async def test_what_ends_it_between_two_calls_leaves_each_row_its_own_end(tmp_path: Path, fault: str) -> None:
    """Without bulk calls each endpoint has its own: three are answered well, the fourth is not."""
    carrier = PickyCarrier(6, forbids=("/multi",))
    async with scripted(tmp_path, Ends(carrier, fault)) as rig:
        with pytest.raises(PartlyChanged) as caught:
            await rig.endpoints.change(endpoint_changes(range(1, 7)))
    ends = {each.row: (each.outcome, each.http_status) for each in caught.value.results}
    assert [ends.pop(row) for row in (2, 3, 4)] == [(Outcome.APPLIED, 204)] * 3
    assert ends == ({5: (Outcome.REFUSED, 401)} if fault == "token" else {})
    assert caught.value.unclear == (set() if fault == "token" else {5})
    assert isinstance(caught.value.cause, AuthenticationFailed if fault == "token" else LedgerError)

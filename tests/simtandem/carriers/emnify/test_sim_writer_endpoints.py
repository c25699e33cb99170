import asyncio
import json
from pathlib import Path

import httpx
import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus
from simtandem.carriers.emnify.paths import BULK
from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.carriers.protocol import Change
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import CarrierUnavailable
from tests.simtandem.carriers.emnify.picky_carrier import PickyCarrier
from tests.simtandem.carriers.emnify.rig import (
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

ON, OFF, GONE = EndpointStatus.ENABLED, EndpointStatus.DISABLED, EndpointStatus.DELETED
PATCH_MANY = f"PATCH {BULK}"
SILENCES = [FaultKind.RESET, FaultKind.CLOSE, FaultKind.HTML, FaultKind.ERROR]


# --- endpoints: how they are sent


async def test_many_endpoints_are_changed_with_one_call(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(2000)])
    results = await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids))
    assert outcomes(results) == [Outcome.APPLIED] * 2000
    assert {endpoint.status for endpoint in carrier.fleet.endpoints.values()} == {ON}
    assert calls_to(carrier) == {PATCH_MANY: 1}


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (2, [2]), (2000, [2000]), (2001, [2000, 1]), (4500, [2000, 2000, 500])]
)
async def test_more_than_2000_endpoints_are_split(tmp_path: Path, count: int, sizes: list[int]) -> None:
    carrier = PickyCarrier(count)
    async with scripted(tmp_path, carrier) as rig:
        results = await rig.endpoints.change(endpoint_changes(range(1, count + 1)))
    assert [len(patch) for patch in carrier.patches] == sizes
    assert [result.row for result in results] == list(range(2, count + 2))


async def test_bodies_hold_ids_and_statuses_and_nothing_else(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(204))
    async with scripted(tmp_path, carrier) as rig:
        await rig.endpoints.change(endpoint_changes([7, 8]))
        await rig.endpoints.change(endpoint_changes([9], ON, OFF))
    many, one = carrier.requests
    assert (many.method, many.url.path) == ("PATCH", "/api/v2/endpoint/multi")
    assert json.loads(many.content) == [{"id": 7, "status": {"id": 0}}, {"id": 8, "status": {"id": 0}}]
    assert (one.method, one.url.path) == ("PATCH", "/api/v1/endpoint/9")
    assert json.loads(one.content) == {"status": {"id": 1}}
    assert {request.headers["Content-Type"] for request in carrier.requests} == {"application/json"}


async def test_results_come_in_the_order_given(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(5)])
    backwards = endpoint_changes(carrier.fleet.endpoint_ids)[::-1]
    backwards[2] = Change(99, "999", OFF, ON)
    results = await rig.endpoints.change(backwards)
    assert [result.row for result in results] == [change.row for change in backwards]
    assert outcomes(results) == [Outcome.REFUSED if index == 2 else Outcome.APPLIED for index in range(5)]


async def test_purpose_of_putting_back_is_in_the_journal(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(2, SimStatus.ISSUED, ON)])
    await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids, ON, OFF), purpose="put_back")
    assert rig.journal.sent("PATCH") == [("put_back", 1)]


async def test_writes_never_overlap(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(30)])
    carrier.configure(latency_s=0.01, overlapping_writes="refuse")
    parts = [carrier.fleet.endpoint_ids[start : start + 10] for start in (0, 10, 20)]
    results = await asyncio.gather(*(rig.endpoints.change(endpoint_changes(part)) for part in parts))
    assert [outcomes(part) for part in results] == [[Outcome.APPLIED] * 10] * 3
    assert carrier.stats()["endpoint_write_overlaps"] == 0
    assert calls_to(carrier) == {PATCH_MANY: 3}


async def test_turn_is_given_back_after_an_error(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(*[breaks(httpx.ConnectError)] * ATTEMPTS, says(204))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable):
            await rig.endpoints.change(endpoint_changes([1, 2]))
        async with asyncio.timeout(5):
            assert outcomes(await rig.endpoints.change(endpoint_changes([1, 2]))) == [Outcome.APPLIED] * 2


# --- endpoints: silence


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("count", [1, 40])
async def test_unanswered_bulk_call_that_was_carried_out_is_not_sent_again(
    carrier: Emulator, rig: Rig, count: int, silence: FaultKind
) -> None:
    carrier.refill([Group(count)])
    carrier.inject(FaultRule(silence, method="PATCH", processed=True, times=1))
    results = await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids))
    assert outcomes(results) == [Outcome.APPLIED] * count
    assert len(rig.journal.sent("PATCH")) == 1
    assert carrier.stats()["needless_endpoint_patches"] == 0


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("count", [1, 40])
async def test_unanswered_bulk_call_is_read_back_before_it_is_sent_again(
    carrier: Emulator, rig: Rig, count: int, silence: FaultKind
) -> None:
    carrier.refill([Group(count)])
    carrier.inject(FaultRule(silence, method="PATCH", times=2))
    results = await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids))
    assert outcomes(results) == [Outcome.APPLIED] * count
    assert {result.attempts for result in results} == {3}
    assert [call.method for call in rig.journal.calls[1:]] == ["PATCH", "GET", "PATCH", "GET", "PATCH"]


async def test_after_a_silence_only_what_has_not_moved_is_sent_again(tmp_path: Path) -> None:
    carrier = PickyCarrier(10, silent=1, keeps=4)
    async with scripted(tmp_path, carrier) as rig:
        results = await rig.endpoints.change(endpoint_changes(range(1, 11)))
    assert outcomes(results) == [Outcome.APPLIED] * 10
    assert [result.attempts for result in results] == [1] * 4 + [2] * 6
    assert carrier.patches == [list(range(1, 11)), list(range(5, 11))]


async def test_endpoints_gone_or_deleted_meanwhile_are_not_sent_again(tmp_path: Path) -> None:
    carrier = PickyCarrier(4, silent=1, keeps=0)
    carrier.meanwhile = {2: None, 3: 2}
    async with scripted(tmp_path, carrier) as rig:
        results = await rig.endpoints.change(endpoint_changes(range(1, 5)))
    assert outcomes(results) == [Outcome.APPLIED, Outcome.FAILED, Outcome.FAILED, Outcome.APPLIED]
    assert "gone" in results[1].error
    assert (results[2].now, "Deleted now" in results[2].error) == (GONE, True)
    assert carrier.patches == [[1, 2, 3, 4], [1, 4]]


@pytest.mark.parametrize("count", [1, 5])
async def test_bulk_call_that_never_gets_through_fails_after_so_many_attempts(
    carrier: Emulator, rig: Rig, count: int
) -> None:
    carrier.refill([Group(count)])
    carrier.inject(FaultRule(FaultKind.HTML, method="PATCH"))
    results = await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids))
    assert outcomes(results) == [Outcome.FAILED] * count
    assert {(result.attempts, result.http_status) for result in results} == {(ATTEMPTS, 502)}
    assert len(rig.journal.sent("PATCH")) == ATTEMPTS


async def test_single_endpoint_that_landed_late_counts_as_applied(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(
        breaks(httpx.ReadTimeout),
        says(200, {"id": 7, "status": {"id": 1}}),
        says(409),
        says(200, {"id": 7, "status": {"id": 0}}),
    )
    async with scripted(tmp_path, carrier) as rig:
        (result,) = await rig.endpoints.change(endpoint_changes([7]))
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 2)


@pytest.mark.parametrize("unread", [says(503), breaks(httpx.ConnectError)])
@pytest.mark.parametrize("count", [1, 3])
async def test_endpoints_that_cannot_be_read_back_are_raised_as_perhaps_processed(
    tmp_path: Path, count: int, unread: Handler
) -> None:
    carrier = ScriptedCarrier(says(502), unread)
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable, match=f"{count} endpoints: .* could not be read back") as caught:
            await rig.endpoints.change(endpoint_changes(range(1, count + 1)))
    assert caught.value.maybe_processed


async def test_endpoint_that_the_carrier_will_not_show_is_unknown_not_gone(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(502), says(403))) as rig:
        (result,) = await rig.endpoints.change(endpoint_changes([1]))
    assert result.outcome is Outcome.UNKNOWN
    assert "HTTP 403" in result.error

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx
import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus
from simtandem.carriers.base import Change, StepResult
from simtandem.carriers.emnify.changing import BULK, change_sim
from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    Handler,
    Rig,
    ScriptedCarrier,
    breaks,
    calls_to,
    endpoint_changes,
    logged_in,
    says,
    scripted,
    sim,
    sim_change,
)

ON, OFF, GONE = EndpointStatus.ENABLED, EndpointStatus.DISABLED, EndpointStatus.DELETED
ISSUED, ACTIVE, SUSPENDED = SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED
PATCH_SIM, GET_SIM = "PATCH /api/v1/sim/{id}", "GET /api/v1/sim/{id}"
PATCH_ENDPOINT, PATCH_MANY = "PATCH /api/v1/endpoint/{id}", f"PATCH {BULK}"
GET_ENDPOINT, LIST_ENDPOINTS = "GET /api/v1/endpoint/{id}", "GET /api/v1/endpoint"

SILENCES = [FaultKind.RESET, FaultKind.CLOSE, FaultKind.HTML, FaultKind.ERROR]


async def change(rig: Rig, what: Change | None = None) -> StepResult:
    return await change_sim(rig.transport, rig.reader, what or sim_change())


def outcomes(results: Iterable[StepResult]) -> list[Outcome]:
    return [result.outcome for result in results]


# --- SIMs


async def test_answered_change_is_applied_with_one_call(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    assert await change(rig) == StepResult(2, Outcome.APPLIED, 1, 204)
    assert carrier.fleet.sim(FIRST_SIM).status is ACTIVE
    assert calls_to(carrier) == {PATCH_SIM: 1}


@pytest.mark.parametrize(("after", "number"), [(ACTIVE, 1), (SUSPENDED, 2), (SimStatus.FACTORY_TEST, 4)])
async def test_body_holds_the_status_and_nothing_else(tmp_path: Path, after: SimStatus, number: int) -> None:
    carrier = ScriptedCarrier(says(204))
    async with scripted(tmp_path, carrier) as rig:
        await change(rig, sim_change(7, ISSUED, after))
    (request,) = carrier.requests
    assert (request.method, request.url.path) == ("PATCH", "/api/v1/sim/7")
    assert json.loads(request.content) == {"status": {"id": number}}
    assert request.headers["Content-Type"] == "application/json"
    assert rig.journal.calls[-1].body == request.content.decode()


async def test_organisations_of_a_sim_are_left_alone(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.change(lambda fleet: setattr(fleet.sim(FIRST_SIM), "reseller_org", 99))
    before = carrier.fleet.sim(FIRST_SIM)
    kept = (before.issuer_org, before.reseller_org, before.customer_org)
    await change(rig)
    after = carrier.fleet.sim(FIRST_SIM)
    assert (after.issuer_org, after.reseller_org, after.customer_org) == kept


@pytest.mark.parametrize("silence", SILENCES)
async def test_unanswered_patch_that_was_carried_out_is_read_back_and_not_sent_again(
    carrier: Emulator, rig: Rig, silence: FaultKind
) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(silence, method="PATCH", processed=True, times=1))
    result = await change(rig)
    assert (result.outcome, result.attempts, result.error) == (Outcome.APPLIED, 1, "")
    assert calls_to(carrier) == {PATCH_SIM: 1, GET_SIM: 1}
    assert rig.journal.sent("PATCH", "GET") == [("change", 1), ("read_back", 1)]


@pytest.mark.parametrize("silence", SILENCES)
async def test_unanswered_patch_is_read_before_it_is_sent_again(
    carrier: Emulator, rig: Rig, silence: FaultKind
) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(silence, method="PATCH", times=2))
    assert await change(rig) == StepResult(2, Outcome.APPLIED, 3, 204)
    assert [call.method for call in rig.journal.calls[1:]] == ["PATCH", "GET", "PATCH", "GET", "PATCH"]
    assert rig.journal.sent("PATCH") == [("change", 1), ("change", 2), ("change", 3)]
    assert carrier.stats()["needless_sim_patches"] == 0


@pytest.mark.parametrize(
    "silence",
    [
        breaks(httpx.ReadTimeout),
        breaks(httpx.WriteTimeout),
        breaks(httpx.RemoteProtocolError),
        says(408),
        says(504, text="<html>Gateway Timeout</html>"),
        says(200, text="<html>Please log in</html>"),
        says(400, {"error_code": 1601, "message": "unavailable"}),
    ],
)
@pytest.mark.parametrize("processed", [True, False])
async def test_every_silence_is_read_back(tmp_path: Path, silence: Handler, processed: bool) -> None:
    carrier = ScriptedCarrier(silence, says(200, sim(1 if processed else 0)), says(204))
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 1 if processed else 2)
    methods = [request.method for request in carrier.requests]
    assert methods == (["PATCH", "GET"] if processed else ["PATCH", "GET", "PATCH"])


async def test_there_is_a_pause_before_the_status_is_read_back(tmp_path: Path) -> None:
    paused: list[int] = []

    def read_back(request: httpx.Request) -> httpx.Response:
        paused.append(len(rig.time.naps))
        return says(200, sim(1))(request)

    async with scripted(tmp_path, ScriptedCarrier(breaks(httpx.ReadTimeout), read_back)) as rig:
        await change(rig)
    assert paused == [1]


async def test_patch_that_landed_after_it_was_read_back_counts_as_applied(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(
        breaks(httpx.ReadTimeout), says(200, sim(0)), says(409, {"error_code": 1406}), says(200, sim(1))
    )
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 2)


async def test_change_that_never_gets_through_fails_after_so_many_attempts(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(FaultKind.HTML, method="PATCH"))
    result = await change(rig)
    assert (result.outcome, result.attempts, result.http_status, result.now) == (Outcome.FAILED, ATTEMPTS, 502, ISSUED)
    assert f"{ATTEMPTS} times" in result.error
    assert calls_to(carrier) == {PATCH_SIM: ATTEMPTS, GET_SIM: ATTEMPTS}


@pytest.mark.parametrize(
    ("read", "words", "now"),
    [(says(200, sim(2)), "the SIM is Suspended now", SUSPENDED), (says(404), "the SIM is gone now", None)],
)
async def test_sim_found_elsewhere_after_a_silence_is_left_to_whoever_moved_it(
    tmp_path: Path, read: Handler, words: str, now: SimStatus | None
) -> None:
    carrier = ScriptedCarrier(says(502), read)
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.now) == (Outcome.FAILED, now)
    assert words in result.error
    assert "somebody else" in result.error
    assert len(carrier.requests) == 2


@pytest.mark.parametrize(
    "unread",
    [says(503), says(403), says(200, sim(9)), breaks(httpx.ConnectError), breaks(httpx.ReadTimeout)],
)
@pytest.mark.parametrize("patch", [says(502), says(409)])
async def test_change_that_cannot_be_read_back_is_raised_as_perhaps_processed(
    tmp_path: Path, patch: Handler, unread: Handler
) -> None:
    carrier = ScriptedCarrier(patch, unread)
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable, match=f"SIM {FIRST_SIM}: .* could not be read back") as caught:
            await change(rig)
    assert caught.value.maybe_processed
    assert carrier.lines.count(f"PATCH /api/v1/sim/{FIRST_SIM}") == 1


async def test_stop_between_patch_and_read_back_is_raised_as_perhaps_processed(tmp_path: Path) -> None:
    def stop(request: httpx.Request) -> httpx.Response:
        rig.budget.halt()
        return says(502)(request)

    async with scripted(tmp_path, ScriptedCarrier(stop)) as rig:
        with pytest.raises(CarrierUnavailable) as caught:
            await change(rig)
    assert caught.value.maybe_processed


async def test_change_that_never_left_is_raised_as_not_processed(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(breaks(httpx.ConnectError))) as rig:
        with pytest.raises(CarrierUnavailable) as caught:
            await change(rig)
        rig.budget.halt()
        with pytest.raises(Interrupted):
            await change(rig)
    assert not caught.value.maybe_processed
    assert {call.method for call in rig.journal.calls} == {"POST", "PATCH"}


async def test_being_locked_out_is_not_mistaken_for_an_outage(tmp_path: Path) -> None:
    logins = [logged_in(), httpx.Response(401)]

    def carrier(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return logins.pop(0)
        return says(502 if request.method == "PATCH" else 401)(request)

    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(AuthenticationFailed):
            await change(rig)


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_refusal_is_believed_only_after_reading(carrier: Emulator, rig: Rig, status: int) -> None:
    carrier.refill([Group(1, ACTIVE, ON)])
    carrier.configure(same_status=status)
    result = await change(rig)
    assert (result.outcome, result.attempts, result.http_status, result.error) == (Outcome.UNCHANGED, 1, status, "")
    assert calls_to(carrier) == {PATCH_SIM: 1, GET_SIM: 1}


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_illegal_move_is_refused_with_what_the_carrier_said_and_where_the_sim_is(
    carrier: Emulator, rig: Rig, status: int
) -> None:
    carrier.refill([Group(1, ISSUED, OFF)])
    carrier.configure(illegal_move=status)
    result = await change(rig, sim_change(after=SUSPENDED))
    assert (result.outcome, result.http_status, result.now) == (Outcome.REFUSED, status, ISSUED)
    assert f"HTTP {status}" in result.error
    assert calls_to(carrier) == {PATCH_SIM: 1, GET_SIM: 1}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(403), "may not do this"),
        (says(400, {"error_code": 1104, "message": "Forbidden"}), "may not do this"),
        (says(404), "does not have it"),
        (says(404, {"error_code": 1201, "message": "SIM not found"}), "does not have it"),
        (says(302, Location="https://elsewhere.test"), "base address"),
    ],
)
async def test_refusal_that_cannot_mean_the_status_is_there_already_is_final(
    tmp_path: Path, answer: Handler, words: str
) -> None:
    carrier = ScriptedCarrier(answer)
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.REFUSED, 1)
    assert words in result.error
    assert len(carrier.requests) == 1


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
    carrier.refill([Group(2, ISSUED, ON)])
    await rig.endpoints.change(endpoint_changes(carrier.fleet.endpoint_ids, ON, OFF), put_back=True)
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


@pytest.mark.parametrize("unread", [says(503), says(403), breaks(httpx.ConnectError)])
@pytest.mark.parametrize("count", [1, 3])
async def test_endpoints_that_cannot_be_read_back_are_raised_as_perhaps_processed(
    tmp_path: Path, count: int, unread: Handler
) -> None:
    carrier = ScriptedCarrier(says(502), unread)
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable, match=f"{count} endpoints: .* could not be read back") as caught:
            await rig.endpoints.change(endpoint_changes(range(1, count + 1)))
    assert caught.value.maybe_processed


# --- endpoints: refusals


class PickyCarrier:
    """Endpoints 1 to `count`, Disabled; some can't be changed, for a reason that no listing shows.

    `atomic`: one bad row stops a whole bulk call, else the good ones are changed. A row that holds its status already
    is bad as well, and counted in `needless`. The first `silent` PATCHes get no answer and change only `keeps` rows.
    `forbids` names the paths that answer 403. `meanwhile` is what others do after the first PATCH.
    """

    def __init__(
        self,
        count: int,
        bad: Iterable[int] = (),
        *,
        atomic: bool = True,
        silent: int = 0,
        keeps: int = 0,
        forbids: tuple[str, ...] = (),
    ) -> None:
        self.status: dict[int, int] = dict.fromkeys(range(1, count + 1), 1)
        self.bad, self.atomic, self.forbids = set(bad), atomic, forbids
        self._silent, self._keeps = silent, keeps
        self.meanwhile: dict[int, int | None] = {}
        self.patches: list[list[int]] = []
        self.needless = self.reads = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            return logged_in()
        if request.method == "GET":
            self.reads += 1
            return self._show(path)
        wishes = json.loads(request.content)
        rows = wishes if isinstance(wishes, list) else [{"id": int(path.rsplit("/", 1)[1]), **wishes}]
        self.patches.append([row["id"] for row in rows])
        if any(path.endswith(each) for each in self.forbids):
            return httpx.Response(403, json={"error_code": 1104, "message": "Forbidden"})
        return self._change({row["id"]: row["status"]["id"] for row in rows})

    def _show(self, path: str) -> httpx.Response:
        if path.endswith("/endpoint"):
            items = [{"id": number, "status": {"id": status}} for number, status in self.status.items()]
            paging = {"X-Total-Count": str(len(items)), "X-Total-Pages": "1"}
            return httpx.Response(200, json=items, headers=paging)
        number = int(path.rsplit("/", 1)[1])
        if number not in self.status:
            return httpx.Response(404, json={"error_code": 1201})
        return httpx.Response(200, json={"id": number, "status": {"id": self.status[number]}})

    def _change(self, wishes: dict[int, int]) -> httpx.Response:
        same = {number for number, wanted in wishes.items() if self.status.get(number) == wanted}
        self.needless += len(same)
        refused = same | {number for number in wishes if number in self.bad or number not in self.status}
        if self._silent:
            self._silent -= 1
            self.status.update(list(wishes.items())[: self._keeps])
            self._move()
            raise httpx.ReadTimeout("no answer")
        if not (refused and self.atomic):
            self.status.update({number: wanted for number, wanted in wishes.items() if number not in refused})
        self._move()
        return httpx.Response(422, json={"error_code": 1403, "errors": [{}]}) if refused else httpx.Response(204)

    def _move(self) -> None:
        for number, status in self.meanwhile.items():
            if status is None:
                del self.status[number]
            else:
                self.status[number] = status
        self.meanwhile = {}


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
    assert len(carrier.patches) <= 1 + each * len(bad)
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


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_single_refusal_is_believed_only_after_reading(carrier: Emulator, rig: Rig, status: int) -> None:
    carrier.refill([Group(1, ISSUED, ON)])
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


async def test_without_any_right_one_refusal_speaks_for_all(tmp_path: Path) -> None:
    carrier = PickyCarrier(500, forbids=("/multi", "/1"))
    results = await bisect(tmp_path, carrier, 500)
    assert outcomes(results) == [Outcome.REFUSED] * 500
    assert len(carrier.patches) == 2
    assert {"may not do this" in result.error for result in results} == {True}


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
async def test_stop_after_something_was_sent_says_that_it_may_have_been_processed(
    tmp_path: Path, count: int, bad: list[int]
) -> None:
    carrier = PickyCarrier(count, bad)
    rigs: list[Rig] = []
    async with scripted(tmp_path, stopping(lambda: rigs[0], carrier)) as rig:
        rigs.append(rig)
        with pytest.raises(CarrierUnavailable) as caught:
            await rig.endpoints.change(endpoint_changes(range(1, count + 1)))
    assert caught.value.maybe_processed
    assert len(carrier.patches) == 1


async def test_outage_after_something_was_sent_says_that_it_may_have_been_processed(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(204), breaks(httpx.ConnectError))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable) as caught:
            await rig.endpoints.change(endpoint_changes(range(1, 2002)))
        with pytest.raises(CarrierUnavailable) as never:
            await rig.endpoints.change(endpoint_changes([1, 2]))
    assert caught.value.maybe_processed
    assert not never.value.maybe_processed

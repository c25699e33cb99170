"""Which half belongs to which run, by what the ledger holds of them."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Plan, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger import fleet_history
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import finish, sender_history
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import RUNNING, fleet_of, send_all, sims

APPLIED, REFUSED, HELD = Outcome.APPLIED, Outcome.REFUSED, Outcome.HELD
BULK = "/api/v2/endpoint/multi"
OFFSET, ROW = 100, 10
"""The endpoint of SIM 1 is endpoint 101; both are in row 11."""

HERE = AccountKey(DEFAULT, "h")


class Calendar:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Desk:
    """Writes runs that activate SIMs into a ledger: what they planned, called, heard, and how their steps ended."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def run(
        self,
        run_id: str,
        sims: Sequence[int],
        calls: Sequence[tuple[str, list[int], int | None]] = (),
        ends: Sequence[tuple[int, Half, Outcome]] = (),
        *,
        finished: bool = False,
    ) -> None:
        """`calls`: path, SIM ids they are about, HTTP status of the answer (None: none came)."""
        record = RunRecord(
            run_id, RunKind.APPLY, "emnify", "h", "f.csv", "", 1, 0, {}, "ada", "h", 1, self.ledger.clock()
        )
        self.ledger.start_run(record)
        self.ledger.record_plan(run_id, _plan(sims))
        asyncio.run(self._send(run_id, calls))
        self.ledger.record_outcomes(run_id, [OutcomeRecord(row + ROW, half, end, 1) for row, half, end in ends])
        if finished:
            self.ledger.record_state(run_id, RunState.FINISHED, {}, sealed=True)

    async def _send(self, run_id: str, calls: Sequence[tuple[str, list[int], int | None]]) -> None:
        async with CallWriter(self.ledger, run_id) as journal:
            for path, sims, status in calls:
                body = [{"id": sim + OFFSET, "status": {"id": 0}} for sim in sims]
                target = path if path == BULK else f"{path}/{sims[0] + (OFFSET if 'endpoint' in path else 0)}"
                call = await journal.intent(Call("PATCH", target, "change", body=json.dumps(body)))
                if status is not None:
                    await journal.answer(call, Answer(status, 0.1))

    def sent(self, run_id: str) -> set[tuple[str, str]]:
        return set(sender_history.sent_by(self.ledger, run_id).select("half", "ident").iter_rows())

    def later(self, run_id: str) -> set[tuple[str, str, str]]:
        sent = sender_history.sent_by(self.ledger, run_id)
        found = sender_history.sent_later(self.ledger, run_id, self.ledger.plan(run_id), sent)
        return set(found.select("half", "ident", "run_id").iter_rows())


def _plan(sims: Sequence[int]) -> pl.DataFrame:
    rows = [
        {
            "row": sim + ROW,
            "sim_id": str(sim),
            "endpoint_id": str(sim + OFFSET),
            "sim_before": SimStatus.SUSPENDED,
            "endpoint_before": EMNIFY.goal(Target.SUSPENDED).endpoint,
            "desired": Target.ACTIVATED,
            "sim_after": SimStatus.ACTIVATED,
            "endpoint_after": EMNIFY.goal(Target.ACTIVATED).endpoint,
            "sim_step": True,
            "endpoint_step": True,
            "action": "change",
            "reason": "",
            "newly_billed": True,
        }
        for sim in sims
    ]
    return Plan.validate(pl.DataFrame(rows, schema=empty(Plan).schema))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite", clock=Calendar())) as ledger:
        yield Desk(ledger)


SIM = "/api/v1/sim"


def test_a_run_has_sent_what_it_has_a_call_for_that_was_not_refused(desk: Desk) -> None:
    desk.run("a", [1, 2, 3, 4], [(SIM, [1], None), (SIM, [2], 400), (SIM, [3], 204), (SIM, [4], 408)])
    assert desk.sent("a") == {("sim", "1"), ("sim", "3"), ("sim", "4")}


def test_a_refused_call_of_many_may_have_changed_some_of_them(desk: Desk) -> None:
    """The run was killed before it could find out which."""
    desk.run("a", [1, 2], [(BULK, [1, 2], 404)])
    desk.run("b", [3], [(BULK, [3], 404)])
    assert desk.sent("a") == {("endpoint", "101"), ("endpoint", "102")}
    assert desk.sent("b") == set()


@pytest.mark.parametrize("pruned", [False, True])
def test_what_a_later_run_sent_is_that_runs_also_once_it_is_pruned(desk: Desk, tmp_path: Path, pruned: bool) -> None:
    desk.run("a", [1, 2], [(SIM, [1], None), (SIM, [2], None)])
    desk.run("b", [1], [(SIM, [1], 204)], [(1, Half.SIM, APPLIED)], finished=True)
    if pruned:
        prune_run(desk.ledger, "b", tmp_path, "ada")
    assert desk.later("a") == {("sim", "1", "b")}


def test_what_a_later_run_took_back_or_did_not_get_through_is_not_its_own(desk: Desk) -> None:
    """Its bulk call went through, its SIMs were refused, and it put the endpoints back."""
    desk.run("a", [1, 2], [(BULK, [1, 2], 204)], [(1, Half.ENDPOINT, APPLIED), (2, Half.ENDPOINT, APPLIED)])
    desk.run("b", [1, 2], [(BULK, [1, 2], 204)], [(row, Half.ENDPOINT, APPLIED) for row in (1, 2)])
    assert desk.later("a") == {("endpoint", "101", "b"), ("endpoint", "102", "b")}
    desk.ledger.record_outcomes(
        "b", [OutcomeRecord(1 + ROW, Half.SIM, REFUSED, 1), OutcomeRecord(1 + ROW, Half.ENDPOINT, HELD, 1)]
    )
    assert desk.later("a") == {("endpoint", "102", "b")}


def test_calls_of_a_later_run_that_was_killed_count_although_no_step_ended(desk: Desk) -> None:
    desk.run("a", [1, 2, 3], [(SIM, [1], None), (SIM, [2], None), (SIM, [3], None)])
    desk.run("b", [1, 2, 3], [(SIM, [1], None), (SIM, [2], 204), (SIM, [3], 400)], [(2, Half.SIM, Outcome.FAILED)])
    assert desk.later("a") == {("sim", "1", "b")}
    assert desk.later("b") == set(), "it came first"


def test_a_later_run_that_sent_other_devices_claims_nothing_of_these(desk: Desk) -> None:
    desk.run("a", [1], [(SIM, [1], None)])
    desk.run("b", [2], [(SIM, [2], None)])
    desk.run("c", [3], [(SIM, [3], 204)], [(3, Half.SIM, APPLIED)], finished=True)
    assert desk.later("a") == set()


def test_nothing_is_expected_of_a_device_that_a_killed_run_may_have_changed_since(desk: Desk) -> None:
    ends = [(sim, half, APPLIED) for sim in (1, 2, 3) for half in Half]
    desk.run("a", [1, 2, 3], [], ends, finished=True)
    desk.run("killed", [1, 2], [(SIM, [1], None), (SIM, [2], 400)])
    desk.run("b", [3], [(SIM, [3], None)], [(3, half, APPLIED) for half in Half])

    managed = sender_history.without_expectation(desk.ledger, HERE, fleet_history.read_managed(desk.ledger, HERE))

    assert dict(managed.select("sim_id", "sim_status").iter_rows()) == {"1": None, "2": "Activated", "3": "Activated"}


# What other runs did, in the reasons of a run


async def sent(run: Run, carrier: ActingCarrier) -> None:
    """A run from its plan to its last call."""
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        carrier.journal = journal
        applying = Applying(run, carrier, journal)
        async with applying.turn():
            await send_all(applying)


async def at_once(_: float) -> None:
    """Pauses that take no time."""


async def test_a_device_that_another_run_moved_is_reported_with_that_run(make_run: MakeRun) -> None:
    fleet = fleet_of(3)
    carrier, run = ActingCarrier(fleet), make_run(sims(3))
    await sent(run, carrier)
    other = make_run(sims(2), Target.SUSPENDED, accept_large=True)
    await sent(other, carrier)
    fleet.devices[1].endpoint = EndpointStatus.ENABLED  # by someone else, after that run
    fleet.devices[2].sim, fleet.devices[2].endpoint = SimStatus.SUSPENDED, EndpointStatus.DISABLED
    await finish.reconcile(run, carrier, sleep=at_once)
    assert finish.finish(run)["verdicts"]["changed_by_others"] == 3
    reasons = run.ledger.results(run.run_id)["reason"].to_list()
    assert reasons[0] == (
        f"changed by simtandem (run {other.run_id}): it is Suspended+Disabled, asked for Activated+Enabled; "
        "compare that run with this one before you send either again"
    )
    assert [reason.split(":")[0] for reason in reasons[1:]] == [
        f"changed by simtandem (run {other.run_id})",
        "changed by someone else (API or Portal) or by the carrier",
    ]


def clocked(run: Run, seconds: float) -> Run:
    """A run of a host whose clock is so far from the right time."""
    run.ledger.clock = lambda: datetime.now(UTC) + timedelta(seconds=seconds)
    return run


@pytest.mark.parametrize("wrong_s", [-300, 300])
async def test_which_run_moved_a_device_last_is_known_whatever_the_clocks_of_hosts_say(
    make_run: MakeRun, wrong_s: float
) -> None:
    fleet = fleet_of(3, SimStatus.ACTIVATED)
    carrier, suspend = ActingCarrier(fleet), {"to": Target.SUSPENDED, "accept_large": True}
    await sent(clocked(make_run(sims(3), **suspend), -wrong_s), carrier)
    run = make_run(sims(3))
    await sent(run, carrier)
    second = clocked(make_run(sims(2), **suspend), wrong_s)
    await sent(second, carrier)
    await sent(clocked(make_run(sims(1)), -wrong_s), carrier)
    third = clocked(make_run(sims(1), **suspend), -2 * wrong_s)
    await sent(third, carrier)
    fleet.devices[2].sim, fleet.devices[2].endpoint = SimStatus.SUSPENDED, EndpointStatus.DISABLED
    await finish.reconcile(run, carrier, sleep=at_once)
    finish.finish(run)
    assert [reason.split(":")[0] for reason in run.ledger.results(run.run_id)["reason"]] == [
        f"changed by simtandem (run {third.run_id})",
        f"changed by simtandem (run {second.run_id})",
        "changed by someone else (API or Portal) or by the carrier",
    ]


async def test_a_run_that_moved_a_device_before_this_one_began_is_not_named(make_run: MakeRun) -> None:
    fleet = fleet_of(2, SimStatus.ACTIVATED)
    carrier, other = ActingCarrier(fleet), make_run(sims(2), Target.SUSPENDED, accept_large=True)
    await sent(other, carrier)
    fleet.devices[0].sim, fleet.devices[0].endpoint = RUNNING
    run = make_run(sims(2))
    await sent(run, carrier)
    fleet.devices[0].sim, fleet.devices[0].endpoint = SimStatus.SUSPENDED, EndpointStatus.DISABLED
    await finish.reconcile(run, carrier, sleep=at_once)
    finish.finish(run)
    reason = run.ledger.results(run.run_id)["reason"][0]
    assert reason.startswith("changed by someone else (API or Portal) or by the carrier: it is Suspended+Disabled")

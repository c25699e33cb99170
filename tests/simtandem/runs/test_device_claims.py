"""No two runs change a device at once, and nobody sends what another has done meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from schemas.organisations import OwnerField
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem import progress
from simtandem.carriers.emnify import patience
from simtandem.carriers.protocol import Answer, Call
from simtandem.errors import CarrierUnavailable
from simtandem.ledger import claims
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind
from simtandem.progress import ProgressHooks
from simtandem.runs import device_claims, finish
from simtandem.runs.apply import Applying
from simtandem.runs.prepare import read_devices
from simtandem.runs.run import Run
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import RUNNING, fleet_of, had_by_another_run, outcomes, said, send_all, sims, state

SIM, ENDPOINT = Half.SIM, Half.ENDPOINT
PATIENCE_S = 20


class Listening(ProgressHooks):
    """Remembers what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.heard = asyncio.Event()
        self.ends: list[tuple[Half, Outcome]] = []

    def message(self, sentence: str) -> None:
        self.told.append(sentence)
        self.heard.set()

    def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:
        self.ends += [(half, outcome)] * count


@pytest.fixture
def listening() -> Listening:
    hooks = Listening()
    progress.install(hooks)
    return hooks


@asynccontextmanager
async def sending(run: Run, carrier: ActingCarrier) -> AsyncIterator[Applying]:
    """The sending of a run that is prepared, its journal open."""
    async with CallWriter(run.ledger, run.run_id) as journal:
        carrier.journal = journal
        yield Applying(run, carrier, journal)


async def send_in_turn(run: Run, carrier: ActingCarrier) -> None:
    async with sending(run, carrier) as applying, applying.turn():
        await send_all(applying)


async def test_of_two_runs_of_one_file_at_once_only_one_sends(make_run: MakeRun, listening: Listening) -> None:
    fleet = fleet_of(6)
    runs = [(make_run(sims(6), batch_size=2), ActingCarrier(fleet)) for _ in range(2)]
    for run, carrier in runs:
        await prepare(run, carrier)
    await asyncio.gather(*(send_in_turn(run, carrier) for run, carrier in runs))
    assert fleet.illegal == [], "nothing was sent twice"
    assert sorted(len(carrier.sent) for _, carrier in runs) == [0, 12]
    late, idle = next((run, carrier) for run, carrier in runs if not carrier.sent)
    assert set(outcomes(late).values()) == {Outcome.UNCHANGED}
    assert len(outcomes(late)) == 12
    waits = "Another run is changing devices of account default at cdn.emnify.net; waiting for its end."
    assert listening.told == [waits, device_claims._CHANGED]
    assert "since this one was planned, or was killed while it had them" in device_claims._CHANGED
    assert len(listening.ends) == 24, "each step is told once"
    await finish.reconcile(late, idle)
    assert finish.finish(late)["exit_code"] == 0


async def test_what_a_killed_run_has_on_its_way_may_land_before_devices_are_read_again(
    make_run: MakeRun, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ONE_WITHIN_S", -4.0)  # a call has 5 s to leave: 1 s
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await prepare(run, carrier)
    await changed_by_another_run(make_run, answered=False)
    waiting = asyncio.create_task(send_in_turn(run, carrier))
    async with asyncio.timeout(PATIENCE_S):
        await listening.heard.wait()
        carrier.fleet.devices[0].sim, carrier.fleet.devices[0].endpoint = RUNNING
        await waiting
    assert listening.told[0].endswith("waiting for them, 1 s at most.")
    assert carrier.sent == []


async def test_where_nobody_else_has_sent_nothing_is_read_again(make_run: MakeRun, listening: Listening) -> None:
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await prepare(run, carrier)
    await send_in_turn(run, carrier)
    assert carrier.reads == []
    assert listening.told == []
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def changed_by_another_run(make_run: MakeRun, *calls: Call, answered: bool = True, devices: int = 1) -> None:
    """Another run that has sent these calls by now, and had the first so many devices. Not answered: it was killed."""
    other = make_run(["1"], kind=RunKind.RETRY)
    read_devices(other)
    claim(other, devices)
    async with CallWriter(other.ledger, other.run_id) as journal:
        for call in calls or (Call("PATCH", "/api/v1/sim/1", "change"),):
            call_id = await journal.intent(call)
            if answered:
                await journal.answer(call_id, Answer(204, 0.1))
    if answered:
        other.lease.end()
    else:
        die(other)


def claim(run: Run, devices: int) -> None:
    run.lease.begin()
    named = [f"sim {number}" for number in range(1, devices + 1)]
    assert isinstance(claims.claim(run.ledger.database, run.lease, named), claims.Claimed)


@contextmanager
def held_by_another_run(make_run: MakeRun, devices: int) -> Iterator[Run]:
    """In this block another run has the first so many devices."""
    other = make_run(["1"], kind=RunKind.RETRY)
    read_devices(other)
    claim(other, devices)
    try:
        yield other
    finally:
        other.lease.end()


def die(run: Run) -> None:
    """What is left of a run whose process was killed: its lock is free, and nobody has ended its lease."""
    assert run.lease._lock
    run.lease._lock.release()


async def test_what_another_run_has_done_is_not_sent_and_the_rest_is(make_run: MakeRun) -> None:
    fleet = fleet_of(5)
    carrier, run = ActingCarrier(fleet), make_run(sims(5), batch_size=3)
    await prepare(run, carrier)
    await changed_by_another_run(make_run, devices=5)
    fleet.devices[0].sim, fleet.devices[0].endpoint = RUNNING
    fleet.devices[1].endpoint = EndpointStatus.ENABLED
    fleet.devices[2].sim = SimStatus.SUSPENDED
    await send_in_turn(run, carrier)
    assert [sorted(call, key=str) for call in carrier.reads] == [[(str(n), str(100 + n)) for n in range(1, 6)]]
    assert carrier.sent == [(SIM, "2"), (ENDPOINT, "104"), (ENDPOINT, "105"), (SIM, "4"), (SIM, "5")]
    assert fleet.illegal == []
    ended = outcomes(run)
    assert [ended[1, half] for half in (ENDPOINT, SIM)] == [Outcome.UNCHANGED] * 2
    assert [ended[2, half] for half in (ENDPOINT, SIM)] == [Outcome.UNCHANGED, Outcome.APPLIED]
    assert [ended[3, half] for half in (ENDPOINT, SIM)] == [Outcome.HELD] * 2
    assert said(run, 3, SIM) == "moved since the plan was made: it is Suspended+Disabled now"
    assert {ended[number, half] for number in (4, 5) for half in Half} == {Outcome.APPLIED}


async def test_a_device_that_moved_meanwhile_is_reported_as_changed_by_others(make_run: MakeRun) -> None:
    fleet = fleet_of(2)
    carrier, run = ActingCarrier(fleet), make_run(sims(2))
    await prepare(run, carrier)
    await changed_by_another_run(make_run)
    fleet.devices[0].sim = SimStatus.SUSPENDED
    await send_in_turn(run, carrier)
    await finish.reconcile(run, carrier)
    verdicts = finish.finish(run)["verdicts"]
    assert {name: count for name, count in verdicts.items() if count} == {"in_sync": 1, "changed_by_others": 1}


async def test_calls_of_another_run_that_only_read_cost_nothing(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await prepare(run, carrier)
    await changed_by_another_run(make_run, Call("GET", "/sim/1", "read"), devices=0)
    await send_in_turn(run, carrier)
    assert carrier.reads == []


async def test_owners_are_read_again_for_the_rows_that_ask_for_them(make_run: MakeRun) -> None:
    fleet = ModelFleet([device(1, *RUNNING), device(2, *RUNNING)])
    carrier = ActingCarrier(fleet)
    carrier.owners["1"] = {OwnerField.CUSTOMER: "42", OwnerField.ISSUER: "1"}
    run = make_run("sim_id,status,customer_org_id\n1,,43\n2,suspended,\n", to=None, change_owners=True)
    await prepare(run, carrier)
    await changed_by_another_run(make_run)
    carrier.owners["1"][OwnerField.CUSTOMER] = "43"
    carrier.owners_asked.clear()
    await send_in_turn(run, carrier)
    assert carrier.owners_asked == [["1"]]
    assert carrier.sent == [(SIM, "2"), (ENDPOINT, "102")]
    assert outcomes(run)[1, SIM] is Outcome.UNCHANGED


async def test_while_it_can_not_be_read_again_nothing_is_sent_and_the_turn_is_given_back(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await prepare(run, carrier)
    await changed_by_another_run(make_run)
    carrier.away = True
    with pytest.raises(CarrierUnavailable):
        await send_in_turn(run, carrier)
    assert carrier.sent == []
    with held_by_another_run(make_run, 1):
        """Its devices are anybody's again."""


async def test_a_stop_ends_the_waiting_at_once_and_nothing_is_sent(make_run: MakeRun, listening: Listening) -> None:
    carrier, run = ActingCarrier(fleet_of(2)), make_run(sims(2))
    await prepare(run, carrier)
    with held_by_another_run(make_run, 1):
        waiting = asyncio.create_task(send_in_turn(run, carrier))
        async with asyncio.timeout(PATIENCE_S):
            await listening.heard.wait()
            listening.stop()
            await waiting
    assert carrier.sent == []
    assert set(outcomes(run).values()) == {Outcome.HELD}
    assert said(run, 1, SIM) == "the run was interrupted"


async def test_a_stop_while_devices_are_read_again_sends_nothing(make_run: MakeRun, listening: Listening) -> None:
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await prepare(run, carrier)
    await changed_by_another_run(make_run)
    carrier.halt_at_next_turn(listening.stop)
    await send_in_turn(run, carrier)
    assert carrier.sent == []
    assert set(outcomes(run).values()) == {Outcome.HELD}


async def test_a_plan_without_changes_waits_for_nobody(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(1, *RUNNING)), make_run(["1"])
    await prepare(run, carrier)
    with held_by_another_run(make_run, 1):
        async with asyncio.timeout(PATIENCE_S):
            await send_in_turn(run, carrier)
    assert outcomes(run) == {}


async def test_a_pair_that_another_run_left_half_done_is_finished(make_run: MakeRun) -> None:
    fleet = fleet_of(2, *RUNNING)
    carrier, run = ActingCarrier(fleet), make_run(sims(2), Target.SUSPENDED)
    await prepare(run, carrier)
    await changed_by_another_run(make_run, devices=2)
    fleet.devices[0].sim, fleet.devices[0].endpoint = SimStatus.SUSPENDED, EndpointStatus.DISABLED
    fleet.devices[1].sim = SimStatus.SUSPENDED
    await send_in_turn(run, carrier)
    assert carrier.sent == [(ENDPOINT, "102")]
    assert state(fleet, 2) == (SimStatus.SUSPENDED, EndpointStatus.DISABLED)


async def test_runs_on_different_devices_send_side_by_side(make_run: MakeRun, listening: Listening) -> None:
    carrier, run = ActingCarrier(fleet_of(6)), make_run(["4", "5", "6"])
    await prepare(run, carrier)
    with held_by_another_run(make_run, 3):
        async with asyncio.timeout(PATIENCE_S):
            await send_in_turn(run, carrier)
    assert set(outcomes(run).values()) == {Outcome.APPLIED}
    assert (carrier.reads, listening.told) == ([], [])


async def test_a_device_that_another_run_has_is_waited_for_and_read_again(
    make_run: MakeRun, listening: Listening
) -> None:
    fleet = fleet_of(4)
    carrier, run = ActingCarrier(fleet), make_run(sims(4), batch_size=2)
    await prepare(run, carrier)
    with held_by_another_run(make_run, 1) as other:
        waiting = asyncio.create_task(send_in_turn(run, carrier))
        async with asyncio.timeout(PATIENCE_S):
            while not any(other.run_id in told for told in listening.told):
                listening.heard.clear()
                await listening.heard.wait()
        assert carrier.sent == []
        fleet.devices[0].sim, fleet.devices[0].endpoint = RUNNING
    async with asyncio.timeout(PATIENCE_S):
        await waiting
    assert fleet.illegal == []
    assert [outcomes(run)[1, half] for half in Half] == [Outcome.UNCHANGED] * 2
    assert {("1", "101")} in [set(read) for read in carrier.reads], "it was read once its run had ended"


async def test_a_batch_has_its_devices_until_it_has_ended(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(2)), make_run(sims(2), batch_size=1)
    await prepare(run, carrier)
    other = make_run(["1"], kind=RunKind.RETRY)
    read_devices(other)
    other.lease.begin()
    free: list[list[bool]] = []

    def look() -> None:
        found = [claims.claim(run.ledger.database, other.lease, [f"sim {number}"]) for number in (1, 2)]
        free.append([isinstance(each, claims.Claimed) for each in found])
        claims.release(run.ledger.database, other.lease, ["sim 1", "sim 2"])

    async with sending(run, carrier) as applying, applying.turn():
        for work in applying.batches():
            for half in (work.first, work.second):
                await applying.apply(work, half)
                look()
            await applying.finish(work)
    look()
    other.lease.end()
    assert free == [[False, True]] * 2 + [[True, False]] * 2 + [[True, True]]


async def test_a_run_that_shares_few_devices_with_another_does_not_wait_for_its_end(make_run: MakeRun) -> None:
    fleet = fleet_of(6)
    first, carrier = make_run(sims(2)), ActingCarrier(fleet)
    await prepare(first, ActingCarrier(fleet))
    run = make_run(["2", "3", "4", "5", "6"])
    await prepare(run, carrier)
    first.lease.begin()
    async with asyncio.timeout(PATIENCE_S):
        await send_in_turn(run, carrier)
    first.lease.end()
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_a_lease_that_was_lost_is_begun_anew_and_its_devices_are_read_again(
    make_run: MakeRun, listening: Listening
) -> None:
    fleet = fleet_of(2)
    carrier, run = ActingCarrier(fleet), make_run(sims(2))
    await prepare(run, carrier)
    async with sending(run, carrier) as applying, applying.turn():
        (work,) = applying.batches()
        await applying.apply(work, work.first)
        had_by_another_run(run, "sim 1", "endpoint 101")
        fleet.devices[0].endpoint = EndpointStatus.DISABLED
        await applying.apply(work, work.second)
        await applying.finish(work)
    assert any("could not renew its lease" in told for told in listening.told)
    assert outcomes(run)[1, SIM] is Outcome.HELD
    assert outcomes(run)[2, SIM] is Outcome.APPLIED

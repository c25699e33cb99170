"""Runs of one home at the same carrier send one after the other, and nobody sends what another has done meanwhile."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.organisations import OwnerField
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem import progress
from simtandem.carriers.protocol import Answer, Call
from simtandem.errors import CarrierUnavailable, LedgerError
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind
from simtandem.progress import ProgressHooks
from simtandem.runs import finish, run_lock
from simtandem.runs.apply import Applying
from simtandem.runs.prepare import read_devices
from simtandem.runs.run import Run
from simtandem.runs.run_lock import one_at_a_time
from simtandem.settings import Settings
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import RUNNING, fleet_of, outcomes, said, send_all, sims, state

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


def never() -> bool:
    return False


def after(looks: int) -> Callable[[], bool]:
    """Gives the waiting up after so many looks."""
    left = iter(range(looks))
    return lambda: next(left, None) is None


def sending_file(settings: Settings) -> Path:
    return settings.home / "sending-cdn.emnify.net.lock"


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
    assert listening.told == [
        "Another run is changing devices of account default at cdn.emnify.net; waiting for its end.",
        "Another run has changed devices since this one was planned; reading them again.",
    ]
    assert len(listening.ends) == 24, "each step is told once"
    await finish.reconcile(late, idle)
    assert finish.finish(late)["exit_code"] == 0


async def test_what_a_killed_run_has_on_its_way_may_land_before_devices_are_read_again(
    make_run: MakeRun, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_LANDING", timedelta(seconds=1))
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await prepare(run, carrier)
    await changed_by_another_run(make_run, answered=False)
    waiting = asyncio.create_task(send_in_turn(run, carrier))
    async with asyncio.timeout(PATIENCE_S):
        await listening.heard.wait()
        carrier.fleet.devices[0].sim, carrier.fleet.devices[0].endpoint = RUNNING
        await waiting
    assert "on their way" in listening.told[0]
    assert carrier.sent == []


async def test_a_run_that_ended_before_the_plan_was_made_is_not_said_to_have_changed_something_since(
    make_run: MakeRun, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_LANDING", timedelta(0))
    await changed_by_another_run(make_run, answered=False)
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await prepare(run, carrier)
    await send_in_turn(run, carrier)
    assert len(carrier.reads) == 1, "its last calls may have come to the carrier since"
    assert not any("since this one was planned" in told for told in listening.told)
    assert "ended shortly before" in listening.told[-1]


async def test_where_nobody_else_has_sent_nothing_is_read_again(make_run: MakeRun, listening: Listening) -> None:
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await prepare(run, carrier)
    await send_in_turn(run, carrier)
    assert carrier.reads == []
    assert listening.told == []
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def changed_by_another_run(make_run: MakeRun, *calls: Call, answered: bool = True) -> None:
    """Another run that has sent these calls by now."""
    other = make_run(["1"], kind=RunKind.RETRY)
    read_devices(other)
    async with CallWriter(other.ledger, other.run_id) as journal:
        for call in calls or (Call("PATCH", "/sim/1", "change"),):
            call_id = await journal.intent(call)
            if answered:
                await journal.answer(call_id, Answer(204, 0.1))


async def test_what_another_run_has_done_is_not_sent_and_the_rest_is(make_run: MakeRun) -> None:
    fleet = fleet_of(5)
    carrier, run = ActingCarrier(fleet), make_run(sims(5), batch_size=3)
    await prepare(run, carrier)
    await changed_by_another_run(make_run)
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
    await changed_by_another_run(make_run, Call("GET", "/sim/1", "read"))
    await send_in_turn(run, carrier)
    assert carrier.reads == []


async def test_changes_made_before_the_listing_was_begun_are_in_the_plan_already(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(1)), make_run(["1"])
    await changed_by_another_run(make_run)
    with run.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE calls SET at = '2020-01-01T00:00:00.000Z'")
        connection.exec_driver_sql("UPDATE answers SET at = '2020-01-01T00:00:00.000Z'")
    await prepare(run, carrier)
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
    async with one_at_a_time(run.settings, never) as ours:
        assert ours


async def test_a_stop_ends_the_waiting_at_once_and_nothing_is_sent(make_run: MakeRun, listening: Listening) -> None:
    carrier, run = ActingCarrier(fleet_of(2)), make_run(sims(2))
    await prepare(run, carrier)
    async with one_at_a_time(run.settings, never):
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
    async with one_at_a_time(run.settings, never), asyncio.timeout(PATIENCE_S):
        await send_in_turn(run, carrier)
    assert outcomes(run) == {}


async def test_the_turn_is_held_from_the_first_batch_to_the_last(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(4, *RUNNING)), make_run(sims(4), Target.SUSPENDED, batch_size=1)
    await prepare(run, carrier)
    free: list[bool] = []
    async with sending(run, carrier) as applying:
        async with applying.turn():
            for work in applying.batches():
                async with one_at_a_time(run.settings, after(1)) as ours:
                    free.append(ours)
                await applying.apply(work, work.first)
        async with one_at_a_time(run.settings, never) as ours:
            assert ours
    assert free == [False] * 4


async def test_carriers_do_not_wait_for_each_other(make_run: MakeRun) -> None:
    run = make_run(["1"])
    other = run.settings.model_copy(update={"emnify_url": "http://127.0.0.1:8080"})
    async with asyncio.timeout(PATIENCE_S), one_at_a_time(run.settings, never), one_at_a_time(other, never) as ours:
        assert ours
    assert (run.settings.home / "sending-127.0.0.1_8080.lock").exists()


@contextmanager
def held_by_another_process(file: Path) -> Iterator["subprocess.Popen[bytes]"]:
    program = (
        "import sys, time, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(1, flush=True);"
        "time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, file], stdout=subprocess.PIPE)
    try:
        assert holder.stdout
        assert holder.stdout.readline()
        yield holder
    finally:
        holder.kill()
        holder.communicate()


async def test_a_run_that_is_killed_gives_its_turn_back(make_run: MakeRun) -> None:
    settings = make_run(["1"]).settings
    with held_by_another_process(sending_file(settings)) as holder:
        async with one_at_a_time(settings, after(2)) as ours:
            assert not ours
        holder.kill()
        async with asyncio.timeout(PATIENCE_S), one_at_a_time(settings, never) as ours:
            assert ours


async def test_a_lock_file_that_can_not_be_used_ends_the_run_in_words(make_run: MakeRun) -> None:
    settings = make_run(["1"]).settings
    sending_file(settings).mkdir()
    with pytest.raises(LedgerError, match="Nothing was sent"):
        async with one_at_a_time(settings, never):
            pass


async def test_a_pair_that_another_run_left_half_done_is_finished(make_run: MakeRun) -> None:
    fleet = fleet_of(2, *RUNNING)
    carrier, run = ActingCarrier(fleet), make_run(sims(2), Target.SUSPENDED)
    await prepare(run, carrier)
    await changed_by_another_run(make_run)
    fleet.devices[0].sim, fleet.devices[0].endpoint = SimStatus.SUSPENDED, EndpointStatus.DISABLED
    fleet.devices[1].sim = SimStatus.SUSPENDED
    await send_in_turn(run, carrier)
    assert carrier.sent == [(ENDPOINT, "102")]
    assert state(fleet, 2) == (SimStatus.SUSPENDED, EndpointStatus.DISABLED)

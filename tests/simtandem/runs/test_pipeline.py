"""Runs that send nothing, with the real client, against the emulator."""

from collections.abc import Iterator

import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import PlanRefused
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs import finish, pipeline
from simtandem.runs.apply import Applying
from tests.simtandem.runs.conftest import MakeRun
from tests.simtandem.runs.sending import send_all

FIRST = 10_000_001


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.reset()
    return running


def account(emulator: Emulator) -> dict[str, object]:
    return {"emnify_url": emulator.url, "emnify_token": emulator.token}


def fleet_sims(count: int) -> list[str]:
    return [str(FIRST + number) for number in range(count)]


def writes(emulator: Emulator) -> int:
    return sum(count for route, count in emulator.stats()["by_route"].items() if route.startswith("PATCH"))


@pytest.mark.parametrize("kind", [RunKind.PLAN, RunKind.RECONCILE])
async def test_looking_changes_nothing(make_run: MakeRun, emulator: Emulator, kind: RunKind) -> None:
    emulator.refill([Group(4), Group(2, SimStatus.ACTIVATED, EndpointStatus.ENABLED)])
    run = make_run(fleet_sims(6), kind=kind, settings=account(emulator))
    told = await pipeline.compare(run)
    assert writes(emulator) == 0
    assert "refusal" not in told
    assert told["plan"]["sim_changes"] == 4
    assert told["exit_code"] == (0 if kind is RunKind.PLAN else 1), "nothing is refused, but four differ"
    assert run.ledger.run(run.run_id).state is RunState.FINISHED


async def test_looking_says_what_the_gate_would_say(make_run: MakeRun, emulator: Emulator) -> None:
    emulator.refill([Group(20, SimStatus.ACTIVATED, EndpointStatus.ENABLED)])
    run = make_run(fleet_sims(15), Target.SUSPENDED, kind=RunKind.PLAN, settings=account(emulator))
    told = await pipeline.compare(run)
    assert "15 of 20 Activated SIMs" in told["refusal"]
    assert told["exit_code"] == (3 if run.kind is RunKind.PLAN else 1)
    assert told["plan"]["sim_changes"] == 15
    assert run.ledger.run(run.run_id).state is RunState.FINISHED


async def test_preparing_to_apply_ends_at_the_gate(make_run: MakeRun, emulator: Emulator) -> None:
    emulator.refill([Group(20, SimStatus.ACTIVATED, EndpointStatus.ENABLED)])
    run = make_run(fleet_sims(15), Target.SUSPENDED, settings=account(emulator))
    with pytest.raises(PlanRefused):
        await pipeline.plan_and_check(run)
    assert run.ledger.run(run.run_id).state is RunState.REFUSED
    assert writes(emulator) == 0


async def test_a_whole_run_brings_file_and_carrier_together(make_run: MakeRun, emulator: Emulator) -> None:
    emulator.refill([Group(5), Group(3, SimStatus.SUSPENDED), Group(2, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED)])
    run = make_run(fleet_sims(10), batch_size=4, settings=account(emulator))
    await pipeline.plan_and_check(run)
    listed = emulator.stats()["calls"]
    again = make_run([], batch_size=4, prepared=run, settings=account(emulator))
    await pipeline.plan_and_check(again)
    assert emulator.stats()["calls"] == listed, "a prepared run is gone on with, not made again"
    async with again.carrier() as (carrier, journal):
        await send_all(Applying(again, carrier, journal))
        await finish.reconcile(again, carrier)
    told = finish.finish(again)
    assert told["verdicts"]["in_sync"] == 10
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 10}
    assert emulator.stats()["pair_violations"] == 0
    assert writes(emulator) == 10 + 2, "a PATCH for each SIM that changes and one for each batch with endpoints"
    assert told["calls"]["total"] == emulator.stats()["calls"]
    compared = await pipeline.compare(make_run(fleet_sims(10), kind=RunKind.RECONCILE, settings=account(emulator)))
    assert compared["exit_code"] == 0

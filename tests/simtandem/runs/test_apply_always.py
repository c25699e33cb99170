"""What holds however a carrier behaves, whenever the sending is interrupted, and however often it is tried again."""

import asyncio
from dataclasses import dataclass, field

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.statuses import EMNIFY_TARGETS, Action, EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem import progress
from simtandem.errors import CarrierRefused, CarrierUnavailable
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import Act, ActingCarrier, Broken, Failed, Refused, Silent, There, Unreached
from tests.simtandem.runs.conftest import MakeRun, planned
from tests.simtandem.runs.sending import outcomes

STATES: list[tuple[SimStatus, EndpointStatus | None]] = [
    (SimStatus.ISSUED, EndpointStatus.DISABLED),
    (SimStatus.ISSUED, EndpointStatus.ENABLED),
    (SimStatus.ACTIVATED, EndpointStatus.ENABLED),
    (SimStatus.ACTIVATED, EndpointStatus.DISABLED),
    (SimStatus.ACTIVATED, None),
    (SimStatus.SUSPENDED, EndpointStatus.DISABLED),
    (SimStatus.SUSPENDED, EndpointStatus.ENABLED),
    (SimStatus.FACTORY_TEST, EndpointStatus.ENABLED),
    (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED),
]
ACTS: list[Act] = [
    Refused(),
    Failed(),
    Silent(),
    Silent(carried_out=True),
    Unreached(),
    There(),
    Broken(),
    Broken(True),
]
DONE = (Outcome.APPLIED, Outcome.UNCHANGED)


@dataclass
class Trial:
    """A fleet, what is asked of each device, and everything that goes wrong."""

    states: list[tuple[SimStatus, EndpointStatus | None]]
    targets: list[Target]
    acts: dict[str, list[Act]]
    batch_size: int
    retries: int
    stop_at_least: int
    interrupt_at: int | None
    away_at: int | None
    changes: int = field(default=0, init=False)


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    states = draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=6))
    count = len(states)
    idents = [*map(str, range(1, count + 1)), *map(str, range(101, 101 + count))]
    moment = st.none() | st.integers(1, 12)
    return Trial(
        states=states,
        targets=draw(st.lists(st.sampled_from(EMNIFY_TARGETS), min_size=count, max_size=count)),
        acts={ident: draw(st.lists(st.sampled_from(ACTS), max_size=3)) for ident in idents},
        batch_size=draw(st.integers(1, 3)),
        retries=draw(st.integers(0, 2)),
        stop_at_least=draw(st.sampled_from([1, 2, 99])),
        interrupt_at=draw(moment),
        away_at=draw(moment),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trial=trials())
def test_every_step_has_one_true_outcome_and_no_pair_is_left_paying_but_off(make_run: MakeRun, trial: Trial) -> None:
    asyncio.run(carry_out(make_run, trial))


async def carry_out(make_run: MakeRun, trial: Trial) -> None:
    progress.install(progress.ProgressHooks())
    carrier = ActingCarrier(ModelFleet([device(at, *halves) for at, halves in enumerate(trial.states, 1)]), trial.acts)
    asked = {"stop_share": 0, "stop_at_least": trial.stop_at_least}
    run = make_run([], batch_size=trial.batch_size, settings=asked)
    plan = planned(run, carrier.fleet, trial.targets)
    async with CallWriter(run.ledger, run.run_id) as journal:
        applying = Applying(run, carrier, journal)
        carrier.before_change = lambda idents: mishap(trial, carrier, applying, plan, idents)
        for work in applying.batches():
            for half in (work.first, work.second):
                await tried(applying, half, work, trial.retries)
            await applying.finish(work)
    judge(plan, outcomes(run), carrier.fleet)
    assert carrier.fleet.illegal == [], "nothing was sent that the carrier would have to refuse"
    assert carrier.fleet.paying_but_off == []
    run.close()


async def tried(applying: Applying, half: Half, work: BatchWork, retries: int) -> None:
    """As a task would be tried; an error that nobody foresaw ends the run, as in a session."""
    for _ in range(retries + 1):
        try:
            await applying.apply(work, half)
        except CarrierUnavailable:
            continue
        except CarrierRefused:
            applying.interrupt()
        return


def mishap(
    trial: Trial, carrier: ActingCarrier, applying: Applying, plan: pl.DataFrame, idents: str | tuple[str, ...]
) -> None:
    trial.changes += 1
    if trial.changes == trial.interrupt_at:
        applying.interrupt()
    if trial.changes == trial.away_at:
        carrier.away = True
    rows = plan.filter(pl.col("sim_id") == idents) if isinstance(idents, str) else plan.clear()
    for row in rows.filter(pl.col("endpoint_step") & (pl.col("first") == Half.ENDPOINT)).iter_rows(named=True):
        pair = next(one for one in carrier.fleet.devices if one.sim_id == row["sim_id"])
        assert pair.endpoint == row["endpoint_after"], "the SIM goes on only after its endpoint"


def judge(plan: pl.DataFrame, ended: dict[tuple[int, Half], Outcome], fleet: ModelFleet) -> None:
    steps = {
        (row["row"] - 1, half): row
        for row in plan.filter(pl.col("action") == Action.CHANGE).iter_rows(named=True)
        for half in Half
        if row[f"{half}_step"]
    }
    assert ended.keys() == steps.keys()
    for (number, half), row in steps.items():
        one = fleet.devices[number - 1]
        now = one.sim if half is Half.SIM else one.endpoint
        outcome = ended[number, half]
        if outcome in DONE:
            assert now == row[f"{half}_after"], f"{half} {number} is told as {outcome}"
        elif outcome is not Outcome.UNKNOWN:
            assert now == row[f"{half}_before"], f"{half} {number} is told as {outcome}"

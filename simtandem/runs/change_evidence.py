"""Read what the carrier's events say of a run's changes, and keep it. Changes nothing at the carrier."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from schemas.statuses import Cause
from schemas.tables import Events, empty
from simtandem import progress
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain import attribution, own_calls, run_changes
from simtandem.domain.abilities import Ability
from simtandem.errors import CarrierError, InputError
from simtandem.ledger import explanations, fleet_history
from simtandem.ledger.records import SENDING, RunKind, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.runs.run import looking_run, new_run_id, recorded_carrier, require_account
from simtandem.settings import Settings

_ENDED = (RunState.FINISHED, RunState.INTERRUPTED)


def runs_to_explain(ledger: Ledger, settings: Settings, *, lag: timedelta = attribution.EVENT_LAG) -> list[str]:
    """Runs whose events can be read, all of them by now, and have not been."""
    now = datetime.now(UTC)
    kept = lifecycle_of(settings.carrier).events.kept
    return explanations.unexplained_runs(ledger, settings.account_key, now - kept, now - lag)


async def explain_runs(
    ledger: Ledger,
    settings: Settings,
    origin: Mapping[str, str] | None = None,
    *,
    lag: timedelta = attribution.EVENT_LAG,
) -> int:
    """Explain every run that is open to it; returns how many. A carrier that won't give its events stops nothing."""
    open_runs = runs_to_explain(ledger, settings, lag=lag)
    for count, run_id in enumerate(open_runs):
        try:
            await explain_run(ledger, settings, run_id, origin, lag=lag)
        except CarrierError as error:
            progress.current().message(f"The carrier's events of run {run_id} could not be read: {error}")
            return count
    return len(open_runs)


async def explain_run(
    ledger: Ledger,
    settings: Settings,
    run_id: str,
    origin: Mapping[str, str] | None = None,
    *,
    lag: timedelta = attribution.EVENT_LAG,
) -> dict[str, int]:
    """Read the events of the time in which a run was at work; returns how many changes have which cause.

    The calls for it are those of a run of its own. Raises `InputError` for a run that has no changes to explain here.
    """
    run = ledger.run(run_id)
    changes = _changes(ledger, settings, run)
    progress.current().begins(f"reading the carrier's events of run {run.record.run_id}")
    started = datetime.now(UTC)
    own = new_run_id(started)
    parameters = {"of": run.record.run_id, **({"prefect": dict(origin)} if origin else {})}
    ledger.start_run(looking_run(own, RunKind.EVENTS, settings, started, parameters))
    try:
        events = await _events(ledger, settings, own, changes)
    except BaseException as error:
        ledger.record_state(own, RunState.FAILED, {"error": str(error) or type(error).__name__}, sealed=True)
        raise
    steps = fleet_history.read_steps(ledger, settings.account_key, run.record.started_at - attribution.CLOCK_SKEW)
    rules = lifecycle_of(run.record.carrier)
    told = attribution.explain(changes, steps, events, rules.events, datetime.now(UTC), lag=lag)
    told = own_calls.explained(told, steps, rules)
    explanations.record(ledger, own, told)
    causes = {cause.value: told.filter(pl.col("cause") == cause).height for cause in Cause}
    ledger.record_state(own, RunState.FINISHED, {"of": run.record.run_id, "causes": causes}, sealed=True)
    return causes


def _changes(ledger: Ledger, settings: Settings, run: RunSummary) -> pl.DataFrame:
    record = run.record
    require_account(record, settings.account_key)
    if record.kind not in SENDING or run.state not in _ENDED or run.at is None:
        raise InputError(f"Run {record.run_id} ({record.kind}, {run.state}) has no changes that events could explain.")
    plan, outcomes, results = (read(record.run_id) for read in (ledger.plan, ledger.outcomes, ledger.results))
    steps = fleet_history.read_steps(ledger, record.account_key, record.started_at)
    own = steps.filter(pl.col("run_id") == record.run_id)
    return run_changes.changes(plan, outcomes, results, own, record.started_at, run.at)


async def _events(ledger: Ledger, settings: Settings, own: str, changes: pl.DataFrame) -> pl.DataFrame:
    window = attribution.window(changes, datetime.now(UTC), lifecycle_of(settings.carrier).events.kept)
    if window is None:
        return empty(Events)
    sims = changes["iccid"].unique()
    async with recorded_carrier(settings, ledger, own) as (carrier, _):
        if why := carrier.lifecycle.lacks(Ability.EVENTS, "the changes of a run can't be explained"):
            raise InputError(f"{why}.")
        return await carrier.events(
            *window, tuple(carrier.lifecycle.events.statuses), [] if sims.has_nulls() else sorted(sims)
        )

"""Flow runs whose process is gone, as the ledger knows: what each has sent, what is open, and the way on.

A process that may be at work, on whichever host, is not gone; what this ledger has no record of is left alone.
"""

from contextlib import suppress
from dataclasses import dataclass

from simtandem.errors import InputError
from simtandem.ledger import flow_runs, pausing
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.reports import run_from_ledger
from simtandem.runs.summary import so_far


@dataclass(frozen=True, slots=True)
class GoneRun:
    """What is known of a run without a process, in words; whether all is in sync; whether someone had stopped it."""

    told: str
    done: bool
    stopped: bool


def is_gone(ledger: Ledger, flow_run: str, *, cancelled: bool) -> bool:
    """Whether a flow run has had a process, and it is gone.

    One that continues what waited for approval is on record only once it has planned anew. So what waits is taken for
    gone only where the flow run is `cancelled`: then nothing of it is wanted any more.
    """
    before = flow_runs.found(ledger.database, flow_run)
    if before.alive or not before.run_id:
        return False
    return cancelled or _recorded(ledger, before.run_id) is not RunState.WAITING


def look_at(ledger: Ledger, flow_run: str) -> GoneRun | None:
    """What became of its run.

    None where that died before its list was read or while it was planned anew after an approval, and where this ledger
    does not have it.
    """
    run_id = flow_runs.found(ledger.database, flow_run).run_id
    if not run_id or _recorded(ledger, run_id) is RunState.WAITING:
        return None
    try:
        run = ledger.run(run_id)
    except InputError:
        return None
    document = run_from_ledger.recorded(ledger, run) or run_from_ledger.known_document(
        ledger, run, run_from_ledger.known_results(ledger, run_id)
    )
    ended = _recorded(ledger, run_id)
    done = ended is RunState.FINISHED and document["exit_code"] == 0
    return GoneRun(so_far(document), done, stopped=ended is RunState.INTERRUPTED)


def let_continue(ledger: Ledger, flow_run: str, by: str) -> None:
    """Record who lets a paused run continue: the process that takes it over does not pause again."""
    run_id = flow_runs.found(ledger.database, flow_run).run_id
    with suppress(InputError):  # it was not paused, or has ended
        pausing.ask(ledger, run_id, RunState.RESUMING, by)


def _recorded(ledger: Ledger, run_id: str) -> RunState | None:
    states = ledger.states(run_id)
    return states[-1].state if states else None

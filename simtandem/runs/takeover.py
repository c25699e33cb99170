"""A run whose process died continues in another process, on any host, as the same run: one record, one report.

Prefect starts the flow run again; which run that was is in the ledger (`simtandem.ledger.flow_runs`). The later process
waits until the earlier one is known to be dead, then counts there, which one of several can do, and continues from the
plan. Where the earlier one comes to its end instead, the later one has nothing to do. What has an outcome is not sent
again; of everything else the carrier is asked first. A process that was only thought to be dead, and comes back,
records and sends nothing more.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from simtandem import progress
from simtandem.errors import InputError, LedgerError
from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.leases import Lease
from simtandem.ledger.records import CHANGING, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.runs import waiting_run
from simtandem.runs.run import Run
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import brought
from simtandem.text import json_logs

_LOOK_S = 1.0
_MOST = 5
"""So often a flow run is continued at most: what kills each process that tries it is not tried for ever."""
_ENDED = {RunState.REFUSED, RunState.CONTINUED, RunState.FINISHED, RunState.INTERRUPTED, RunState.FAILED}


class EndedElsewhere(Exception):
    """The process that was waited for has brought its run to an end: there is nothing left to do for this one."""

    def __init__(self, run: RunSummary) -> None:
        super().__init__(f"Run {run.record.run_id} came to its end in another process. This one sends nothing.")
        self.run = run


async def begin(run: Run, flow_run: str, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Let the flow run be this run, or this run be the one that the flow run was, where its process died.

    A run that waits for approval stays the flow run's until this one waits in its place, or continues it.
    Raises `InputError` where too many processes died of it, `EndedElsewhere` where one was at work, and is done.
    """
    waiting_run.find(run, flow_run)
    if run.continued is not None and not run.continued.epoch and run.continued.run_id:
        return  # it waits since an earlier version, which noted that elsewhere
    while True:
        before, waited = await _once_dead(run, flow_run, sleep)
        if waited and (done := await asyncio.to_thread(_done, run.ledger, before)) is not None:
            ended = EndedElsewhere(done)
            progress.current().message(str(ended))
            raise ended
        left = await asyncio.to_thread(_left, run.ledger, before)
        if left is not None and left.state is RunState.WAITING:
            run.continued = before
            return
        if before.epoch >= _MOST and left is not None:
            _give_up(run, left)
        folder = await asyncio.to_thread(_folder, run, left)
        run_id = left.record.run_id if left and folder else run.run_id
        taken = await asyncio.to_thread(flow_runs.take, run.ledger.database, before, run_id)
        if taken is None:
            continue  # another process was faster: it is waited for
        run.continued = taken
        if left and folder:
            _become(run, left, folder, before)
        elif left:
            _end(run, left, f"its process died before it had sent anything; run {run.run_id} begins anew")
        return


def show_at_work(run: Run) -> Continued | None:
    """A run that was prepared by this process, or sends SIM actions, is of no flow run: show that it is at work.

    Between two waves and in a pause it has no lease, and other hosts see nothing else of it. Nothing where one host has
    the ledger.
    """
    database = run.ledger.database
    if not database.is_postgres or run.kind not in CHANGING:
        return None
    return flow_runs.take(database, flow_runs.found(database, run.run_id), run.run_id)


def require_own(run: Run) -> None:
    """Raise `LedgerError` where another process continues this run: nothing more is sent or recorded by this one."""
    mine = run.continued
    if mine is None or mine.run_id != run.run_id:
        return
    now = flow_runs.found(run.ledger.database, mine.flow_run)
    if now.epoch != mine.epoch:
        raise LedgerError(
            f"Run {run.run_id} was not heard of for a while and continues on {now.host} (process {now.pid}). "
            "This process sends and records nothing more."
        )


def is_left(ledger: Ledger, flow_run: str) -> bool:
    """Whether a flow run's process is gone, and its run is not on record yet, or has not ended and waits for nobody."""
    before = flow_runs.found(ledger.database, flow_run)
    if before.alive or not before.run_id:
        return False
    recorded = _as_recorded(ledger, before)
    return recorded is None or recorded.state not in {*_ENDED, RunState.WAITING}


def hosts_of(run: Run) -> list[str]:
    """The hosts that continued a run, in order; empty where none did."""
    states = run.ledger.states(run.run_id)
    return [str(each.detail.get("host", "")) for each in states if each.state is RunState.TAKEN_OVER]


async def _once_dead(run: Run, flow_run: str, sleep: Callable[[float], Awaitable[None]]) -> tuple[Continued, bool]:
    """The flow run, once no process is at work on it, and whether that had to be waited for."""
    said = False
    while (found := await asyncio.to_thread(flow_runs.found, run.ledger.database, flow_run)).alive:
        if not said:
            said = True
            progress.current().message(
                f"Process {found.pid} on {found.host} may still be at work on run {found.run_id}; waiting until it "
                "has ended, or was not heard of for a while."
            )
        await sleep(_LOOK_S)
    return found, said


def _left(ledger: Ledger, before: Continued) -> RunSummary | None:
    """The run that a flow run was, if it has not ended. Whether its process is there was asked before."""
    found = _as_recorded(ledger, before)
    return None if found is None or found.state in _ENDED else found


def _done(ledger: Ledger, before: Continued) -> RunSummary | None:
    """The run that a flow run was, if it has ended."""
    found = _as_recorded(ledger, before)
    return found if found is not None and found.state in _ENDED else None


def _as_recorded(ledger: Ledger, before: Continued) -> RunSummary | None:
    if not before.run_id:
        return None
    try:
        found = ledger.run(before.run_id)
    except InputError:  # it died before its list was read
        return None
    states = ledger.states(before.run_id)
    return replace(found, state=states[-1].state if states else None)


def _folder(run: Run, left: RunSummary | None) -> RunFolder | None:
    """The folder of a run that can be continued: its plan is there, and no verdict was recorded. None: begin anew."""
    if left is None or left.record.kind is not run.kind:
        return None
    folder = brought(run.settings, run.ledger, left.record.run_id)
    ready = folder.has("plan.json") and run.ledger.results(left.record.run_id).is_empty()
    return folder if ready else None


def _become(run: Run, left: RunSummary, folder: RunFolder, before: Continued) -> None:
    run.run_id, run.folder, run.started = left.record.run_id, folder, left.record.started_at
    run.lease = Lease(run.ledger.database, run.lease.account, run.run_id, urgent=run.request.urgent)
    run.taken_over = True
    json_logs.bind(run_id=run.run_id, account=run.settings.account)
    here = {"host": socket.gethostname(), "pid": os.getpid(), "from": before.host, "from_pid": before.pid}
    run.ledger.record_state(run.run_id, RunState.TAKEN_OVER, here)
    _forget_the_end(folder.path)
    progress.current().message(f"Run {run.run_id} of {before.host} continues here: its process died.")


def _forget_the_end(folder: Path) -> None:
    """What was seen after the sending is looked at again: not everything had been sent."""
    for name in ("after.parquet", "owners_after.parquet"):
        (folder / "work" / name).unlink(missing_ok=True)


def _end(run: Run, left: RunSummary, why: str) -> None:
    run.ledger.record_state(left.record.run_id, RunState.INTERRUPTED, {"error": why}, sealed=True)


def _give_up(run: Run, left: RunSummary) -> None:
    why = f"{_MOST} processes died of it"
    _end(run, left, why)
    raise InputError(
        f"Run {left.record.run_id} is not continued: {why}. Nothing was sent now. Look at the workers' logs, then "
        f"continue with: simtandem retry {left.record.run_id}"
    )

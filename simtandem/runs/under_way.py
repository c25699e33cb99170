"""Whether a run is under way, here or on another host: then neither an undo nor a retry of it begins."""

import socket

from schemas.accounts import AccountKey
from simtandem.errors import InputError
from simtandem.host.processes import process_may_run
from simtandem.ledger.leases import held
from simtandem.ledger.records import RunState, RunSummary
from simtandem.ledger.store import Ledger

ENDED = (RunState.FINISHED, RunState.INTERRUPTED, RunState.FAILED, RunState.REFUSED)
_KILLED = "If that process was killed, run again half a minute later."


def runs_here(host: str, pid: int, process: str | None) -> bool:
    """A run of another machine counts as ended: its process can't be checked, and its devices must not be stuck.

    Hosts that share a ledger in PostgreSQL show there that they are at work, so this is not asked there.
    """
    return host == socket.gethostname() and process_may_run(host, pid, process)


def require_ended(
    ledger: Ledger, run: RunSummary, account: AccountKey, *, ended: tuple[RunState, ...] = ENDED, planned: bool = True
) -> None:
    """Raise `InputError` where a run, as `runs_here` finds it, is under way: it has a plan, or sends on any host."""
    record = run.record
    if run.state not in ended and planned:
        elsewhere = "" if record.host == socket.gethostname() else f" {_KILLED}"
        raise InputError(
            f"Run {record.run_id} is under way (process {record.pid} on {record.host}). Nothing was sent. Stop "
            f"it, or wait for its end.{elsewhere}"
        )
    for holder in held(ledger.database, account.file_name, run_id=record.run_id):
        raise InputError(
            f"Run {record.run_id} is sending (process {holder.pid} on {holder.host}). Nothing was sent. Stop it, or "
            f"wait for its end. {_KILLED}"
        )

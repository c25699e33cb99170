"""The steps of an undo that differ from those of a run with a file: what is read, what is planned, what is asked."""

import socket

import polars as pl

from schemas.accounts import AccountKey
from schemas.tables import Rejected, Repeats, empty
from simtandem.domain.inverse import as_devices, changed_devices, invert, undo_rows, without_wish
from simtandem.errors import InputError
from simtandem.host.processes import process_may_run
from simtandem.intake import Intake
from simtandem.ledger.records import SENDING, ProcessProbe, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.result_files import write_retry
from simtandem.runs import sender_history
from simtandem.runs.run import Run, require_account
from simtandem.runs.run_account import reopened

_ENDED = (RunState.FINISHED, RunState.INTERRUPTED, RunState.FAILED, RunState.REFUSED)
_CHANGES = "changes.parquet"


def _runs_here(host: str, pid: int, process: str | None) -> bool:
    """A run of another machine counts as ended: its process can't be checked, and its devices must not be stuck."""
    return host == socket.gethostname() and process_may_run(host, pid, process)


def find(ledger: Ledger, run_id: str, account: AccountKey, *, runs_here: ProcessProbe = _runs_here) -> RunSummary:
    """The run to undo, by its id or the beginning of it. Raises `InputError` where it can't be undone, or not here."""
    run = ledger.run(run_id, may_run=runs_here, kinds=SENDING, account=account.name)
    record = run.record
    require_account(record, account)
    if run.state not in _ENDED and ledger.plan(record.run_id).height:
        raise InputError(
            f"Run {record.run_id} is under way (process {record.pid}). Nothing was sent. Stop it, or wait for its end."
        )
    return run


def named(run_id: str) -> tuple[str, str]:
    """The full id and the account of the run to undo, as `find` finds it with the settings as they are."""
    settings = reopened(run_id, SENDING)
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        record = find(ledger, run_id, settings.account_key).record
    return record.run_id, record.account


def read_run(run: Run) -> Intake:
    """What `read_devices` reads for an undo: the devices that run changed, from the record, under its row numbers."""
    undone = find(run.ledger, run.request.undo_of, run.settings.account_key)
    run_id = undone.record.run_id
    plan, outcomes = run.ledger.plan(run_id), run.ledger.outcomes(run_id)
    sent = sender_history.sent_by(run.ledger, run_id)
    later = sender_history.sent_later(run.ledger, run_id, plan, sent)
    changes = changed_devices(plan, outcomes, run.lifecycle, sent, later, run_id)
    if changes.is_empty():
        raise InputError(f"Run {run_id} ({undone.record.kind}) changed nothing, so there is nothing to undo.")
    run.folder.save_table(_CHANGES, changes)
    return Intake(
        devices=as_devices(changes),
        rejected=empty(Rejected),
        repeats=empty(Repeats),
        rows=changes.height,
        file=f"undo of {run_id}",
        sha256="",
        notes=(f"Row numbers are those of {undone.record.file}, the file of run {run_id}.",),
    )


def turn_around(run: Run, plan: pl.DataFrame) -> pl.DataFrame:
    """The plan of an undo from the plan for its devices; also leaves what goes back as `undo.csv`."""
    inverse = invert(plan, run.folder.table(_CHANGES), run.lifecycle)
    write_retry(undo_rows(inverse), run.folder.file("undo.csv"))
    return inverse


def judged(run: Run, results: pl.DataFrame) -> pl.DataFrame:
    """The results of an undo as they are recorded: nothing is asked of what was left alone."""
    return without_wish(results, run.folder.table(_CHANGES))

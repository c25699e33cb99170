"""The steps of an undo that differ from those of a run with a file: what is read, what is planned, what is asked."""

import polars as pl

from schemas.accounts import AccountKey
from schemas.tables import Rejected, Repeats, empty
from simtandem.domain.inverse import (
    as_devices,
    changed_devices,
    invert,
    sent_elsewhere,
    settled,
    undo_rows,
    without_wish,
)
from simtandem.errors import InputError
from simtandem.intake import Intake
from simtandem.ledger import action_records
from simtandem.ledger.records import CHANGING, ProcessProbe, RunRecord, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.result_files import write_retry
from simtandem.runs import sender_history, under_way
from simtandem.runs.run import Run, require_account
from simtandem.runs.run_account import reopened
from simtandem.runs.under_way import require_ended

CHANGES = "changes.parquet"
"""What the run to undo changed, in the folder of the undo."""


def find(
    ledger: Ledger, run_id: str, account: AccountKey, *, runs_here: ProcessProbe = under_way.runs_here
) -> RunSummary:
    """The run to undo, by its id or the beginning of it. Raises `InputError` where it can't be undone, or not here."""
    run = ledger.run(run_id, may_run=runs_here, kinds=CHANGING, account=account.name)
    record = run.record
    require_account(record, account)
    planned = ledger.plan(record.run_id).height or action_records.read_plan(ledger, record.run_id).height
    require_ended(ledger, run, account, planned=bool(planned))
    return run


def named(run_id: str) -> RunRecord:
    """The run to undo, as `find` finds it with the settings as they are."""
    settings = reopened(run_id, CHANGING)
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        return find(ledger, run_id, settings.account_key).record


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
    if run.request.issued_to:
        changes = sent_elsewhere(changes, run.lifecycle.goal(run.request.issued_to), run.lifecycle)
    run.folder.save_table(CHANGES, changes)
    return Intake(
        devices=as_devices(changes),
        rejected=empty(Rejected),
        repeats=empty(Repeats),
        rows=changes.height,
        file=f"undo of {run_id}",
        sha256="",
        own=run.ledger.own(run_id).join(changes.select("row"), on="row", how="semi"),
        notes=(f"Row numbers are those of {undone.record.file}, the file of run {run_id}.",),
    )


def settle(run: Run) -> pl.DataFrame:
    """The devices of an undo to plan for: what others had changed goes by what the listing shows of that."""
    changes = settled(run.folder.table(CHANGES), run.folder.table("inventory.parquet"), run.lifecycle)
    run.folder.save_table(CHANGES, changes)
    return as_devices(changes)


def turn_around(run: Run, plan: pl.DataFrame) -> pl.DataFrame:
    """The plan of an undo from the plan for its devices; also leaves what goes back as `undo.csv`."""
    inverse = invert(plan, run.folder.table(CHANGES), run.lifecycle)
    write_retry(undo_rows(inverse), run.folder.file("undo.csv"), run.folder.own())
    return inverse


def judged(run: Run, results: pl.DataFrame) -> pl.DataFrame:
    """The results of an undo as they are recorded: nothing is asked of what was left alone."""
    return without_wish(results, run.folder.table(CHANGES))

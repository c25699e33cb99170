"""A retry's rows come from the record of the run that is tried again: no file that someone may have edited is read."""

import hashlib
from dataclasses import dataclass

import polars as pl

from schemas.accounts import AccountKey
from schemas.statuses import Action
from schemas.tables import Devices, Rejected, Repeats, empty
from simtandem.domain import verdicts
from simtandem.errors import InputError
from simtandem.intake import Intake
from simtandem.ledger.records import REPORTED, RunKind, RunRecord
from simtandem.ledger.store import Ledger
from simtandem.reports.result_files import write_retry
from simtandem.reports.run_commands import again, continuing
from simtandem.runs.run import Run, require_account
from simtandem.runs.run_folder import RunFolder

FILE = "retry.csv"
_TRIED = REPORTED


@dataclass(frozen=True, slots=True)
class Left:
    """What a run left open: the three ids, `desired` and `owners` of each row, as its results or its plan have them."""

    record: RunRecord
    rows: pl.DataFrame

    def write(self, folder: RunFolder) -> None:
        """Write it as the run's retry.csv, for people: no run reads it from there."""
        folder.make()
        write_retry(verdicts.as_input(self.rows), folder.file(FILE))


def left_by(ledger: Ledger, run_id: str, account: AccountKey) -> Left:
    """What the run with this id, or the beginning of it, left open in this account.

    Raises `InputError` where that is nothing, or where the run was of another one.
    """
    record = ledger.run(run_id, kinds=_TRIED, account=account.name).record
    require_account(record, account)
    if record.kind is RunKind.PLAN:
        raise InputError(f"Run {record.run_id} only planned: apply its file instead. Nothing was sent.{again(record)}")
    if record.kind not in _TRIED:
        raise InputError(f"Run {record.run_id} ({record.kind}) changes no device. Nothing was sent.{again(record)}")
    results, plan = ledger.results(record.run_id), ledger.plan(record.run_id)
    if results.is_empty() and plan.is_empty():
        raise InputError(
            f"Run {record.run_id} ended before it had a plan, so there is nothing in its record to try again."
            f" Nothing was sent.{again(record)}"
        )
    rows = verdicts.open_rows(results) if results.height else _planned(plan, record.kind)
    if rows.is_empty():
        raise InputError(
            f"Run {record.run_id} left nothing open that could be tried again. Nothing was sent.{_undo_again(record)}"
        )
    return Left(record, rows)


def _undo_again(record: RunRecord) -> str:
    """Where an undo was to bring back what no status asks for, only an undo can do that."""
    undone = record.parameters.get("undo_of")
    return f"\nIf devices are not back yet: simtandem undo {undone}" if undone else ""


def next_step(ledger: Ledger, record: RunRecord) -> str:
    """What to do about a run that ended before its report: a line with a command that can continue from there."""
    run_id = record.run_id
    if record.kind in _TRIED and (ledger.plan(run_id).height or ledger.results(run_id).height):
        return f"\nTo continue: {continuing(record, planned=True)}"
    return again(record)


def _planned(plan: pl.DataFrame, kind: RunKind) -> pl.DataFrame:
    """The rows of a run that was killed before it could judge any, less what is refused: what is right costs nothing.

    Of an undo only what it sends: what it leaves alone, nobody asked for; and of that only what a status asks for.
    """
    never = [Action.REPEAT.value, Action.REFUSED.value]
    wanted = pl.col("action") == Action.CHANGE if kind is RunKind.UNDO else ~pl.col("action").is_in(never)
    rows = plan.filter(wanted).rename({"owners_after": "owners"})
    return rows.filter(pl.any_horizontal(pl.col("desired", "owners").is_not_null()))


def read_run(run: Run) -> Intake:
    """What `read_devices` reads for a retry; rows have the numbers they have in the retry.csv that `Left.write` makes.

    An ICCID that is none, as some carriers list them, is left out where another id says which device is meant.
    """
    left = left_by(run.ledger, run.request.retry_of, run.settings.account_key)
    whole = pl.col("iccid").str.contains(r"^[0-9]{19}$")
    devices = left.rows.select(
        pl.int_range(2, pl.len() + 2).alias("row"),
        "sim_id",
        "endpoint_id",
        pl.when(whole).then("iccid").alias("iccid"),
        "desired",
        "owners",
    )
    return Intake(
        devices=Devices.validate(devices),
        rejected=empty(Rejected),
        repeats=empty(Repeats),
        rows=devices.height,
        file=FILE,
        sha256=hashlib.sha256(devices.write_csv().encode()).hexdigest(),
        notes=(f"Read from the record of run {left.record.run_id}: what it left open.",),
    )

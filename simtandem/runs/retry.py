"""A retry's rows come from the record of the run that is tried again: no file that someone may have edited is read."""

import hashlib
from dataclasses import dataclass

import polars as pl

from schemas import own_columns
from schemas.accounts import AccountKey
from schemas.statuses import Action, Verdict
from schemas.tables import Devices, Rejected, Repeats, empty
from simtandem.domain import verdicts
from simtandem.domain.split_pairs import pair
from simtandem.errors import InputError
from simtandem.intake import Intake
from simtandem.ledger.records import REPORTED, ProcessProbe, RunKind, RunRecord, RunState, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.reports.headline import next_lines
from simtandem.reports.left_open import told_by_now
from simtandem.reports.result_files import write_retry
from simtandem.reports.run_commands import action_command, again
from simtandem.reports.run_from_ledger import known_results
from simtandem.runs import under_way
from simtandem.runs.run import Run, require_account
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.under_way import ENDED, require_ended
from simtandem.text.formats import named_rows, of

FILE = "retry.csv"
_LEFT = "left.parquet"
"""Where the run that is tried again left each device, as far as it knows: `row`, and the pair in words."""
_TRIED = REPORTED
_CONTINUABLE = (*ENDED, RunState.CONTINUED, RunState.WAITING)
"""Of a run that waits for its approval no process is at work, and nothing was sent."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a run left open: the three ids, `desired` and `owners` of each row, as its results or its plan have them.

    `own` has the operator's own columns of all rows of the run.
    """

    record: RunRecord
    rows: pl.DataFrame
    own: pl.DataFrame

    def write(self, folder: RunFolder) -> None:
        """Write it as the run's retry.csv, for people: no run reads it from there."""
        folder.make()
        write_retry(verdicts.as_input(self.rows), folder.file(FILE), self.own)


def left_by(ledger: Ledger, run_id: str, account: AccountKey, *, runs_here: ProcessProbe = under_way.runs_here) -> Left:
    """What the run with this id, or the beginning of it, left open in this account.

    Raises `InputError` where that is nothing, where the run was of another one, and while it is under way.
    """
    run = ledger.run(run_id, may_run=runs_here, kinds=_TRIED, account=account.name)
    record = run.record
    require_account(record, account)
    if record.kind is RunKind.PLAN:
        raise InputError(f"Run {record.run_id} only planned: apply its file instead. Nothing was sent.{again(record)}")
    if record.kind is RunKind.ACTION:
        require_ended(ledger, run, account)
        left = _actions_left(record, run.detail.get("document"))
        raise InputError(f"Run {record.run_id} sent SIM actions. Nothing was sent.{left}")
    if record.kind not in _TRIED:
        raise InputError(f"Run {record.run_id} ({record.kind}) changes no device. Nothing was sent.{again(record)}")
    results, plan = ledger.results(record.run_id), ledger.plan(record.run_id)
    if results.is_empty() and plan.is_empty():
        raise InputError(
            f"Run {record.run_id} ended before it had a plan, so there is nothing in its record to try again."
            f" Nothing was sent.{again(record)}"
        )
    require_ended(ledger, run, account, ended=_CONTINUABLE)
    rows = verdicts.open_rows(results) if results.height else _planned(plan, record.kind)
    if rows.is_empty():
        raise InputError(
            f"Run {record.run_id} left nothing open that could be tried again. Nothing was sent.{_undo_again(record)}"
        )
    return Left(record, rows, ledger.own(record.run_id))


def _actions_left(record: RunRecord, document: object) -> str:
    """How to send what a run of SIM actions left open: only one with an end has a document and a retry.csv."""
    if not isinstance(document, dict) or document.get("refusal"):
        return again(record)
    if not document.get("next"):
        return "\nIt left nothing open that could be tried again."
    return f"\nWhat it left open is sent with: {action_command([str(document['files']['retry'])], record.account)}"


def _undo_again(record: RunRecord) -> str:
    """Where an undo was to bring back what no status asks for, only an undo can do that."""
    undone = record.parameters.get("undo_of")
    return f"\nIf devices are not back yet: simtandem undo {undone}" if undone else ""


def next_step(ledger: Ledger, run: RunSummary) -> str:
    """What to do about a run that ended before its report: lines with a command that can continue from there."""
    record, run_id = run.record, run.record.run_id
    if record.kind not in _TRIED or (ledger.plan(run_id).is_empty() and ledger.results(run_id).is_empty()):
        return again(record)
    told = told_by_now(ledger, run, known_results(ledger, run_id))
    return "".join(f"\n{each}" for each in next_lines(told))


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
    _keep_places(run, left)
    whole = pl.col("iccid").str.contains(r"^[0-9]{19}$")
    devices = left.rows.select(
        pl.int_range(2, pl.len() + 2).alias("row"),
        "sim_id",
        "endpoint_id",
        pl.when(whole).then("iccid").alias("iccid"),
        "desired",
        "owners",
        *(["named_as"] if left.rows["named_as"].count() else []),
    )
    return Intake(
        devices=Devices.validate(devices),
        rejected=empty(Rejected),
        repeats=empty(Repeats),
        rows=devices.height,
        file=FILE,
        sha256=hashlib.sha256(devices.write_csv().encode()).hexdigest(),
        notes=(f"Read from the record of run {left.record.run_id}: what it left open.",),
        own=own_columns.beside(left.own, left.rows["row"]).with_columns(devices["row"]),
    )


def _keep_places(run: Run, left: Left) -> None:
    known = known_results(run.ledger, left.record.run_id).select(pl.col("row").alias("was"), "after", "verdict")
    rows = left.rows.select(pl.int_range(2, pl.len() + 2).alias("row"), was="row")
    places = rows.join(known, on="was", how="left", maintain_order="left")
    run.folder.save_table(_LEFT, places.select("row", "after", "verdict"))


def changed_since(run: Run, plan: pl.DataFrame) -> list[str]:
    """What is said of devices that a retry changes although they are not as the run before left them: nothing of none.

    The retry asks for what that run asked for, also where someone has moved a device on purpose since.
    """
    if not run.folder.has(_LEFT):
        return []
    now = plan.filter(pl.col("sim_step") | pl.col("endpoint_step")).select(
        "row", now=pair("sim_before", "endpoint_before", run.lifecycle)
    )
    both = now.join(run.folder.table(_LEFT), on="row", how="inner")
    elsewhere = (pl.col("after") != "") & (pl.col("now") != pl.col("after"))
    rows = both.filter(elsewhere | (pl.col("verdict") == Verdict.CHANGED_BY_OTHERS))["row"].sort().to_list()
    if not rows:
        return []
    were, them = ("was", "it") if len(rows) == 1 else ("were", "them")
    sentence = (
        f"{of(len(rows), 'device')} {were} changed by someone else, by another run or by the carrier since run "
        f"{run.request.retry_of} left {them}: this retry changes {them} to what that run was asked for. "
        f"{named_rows(rows)}"
    )
    return [sentence]

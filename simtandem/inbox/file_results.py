"""What became of a file that was taken: the files that are laid beside it when it is put away."""

import tempfile
from pathlib import Path

import polars as pl

from schemas import own_columns
from schemas.statuses import Verdict
from schemas.tables import Results, empty
from simtandem.ledger.schedule_records import Arrival, Schedule, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.reports.result_files import write_invalid, write_results
from simtandem.reports.run_document import recorded_document
from simtandem.runs.finish import write_report
from simtandem.runs.run_folder import RunFolder

_RESULTS = list(Results.to_schema().columns)
_SENT = (ScheduleState.APPLIED, ScheduleState.STOPPED)


def something_applied(of_file: list[Schedule]) -> bool:
    """Whether a run went through with any of it: this is what `processed/` means."""
    return any(each.state in _SENT for each in of_file)


def files_beside(schedules: Schedules, arrival: Arrival, runs_folder: Path) -> dict[str, bytes]:
    """The files to lay beside it, by what is put behind the file's name, such as `results.csv`.

    `results.csv` has a line for every row of the file. It is all made from the ledger, and twice the same.
    """
    of_file = schedules.of_arrival(arrival.arrival_id)
    rejected = schedules.rejected(arrival.arrival_id)
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="simtandem-") as name:
        scratch = Path(name)
        if not rejected.is_empty():
            write_invalid(rejected, scratch / "invalid.csv")
            made["invalid.csv"] = (scratch / "invalid.csv").read_bytes()
        if of_file:
            write_results(results(schedules, of_file, rejected), scratch / "results.csv", own=_own(schedules, of_file))
            made["results.csv"] = (scratch / "results.csv").read_bytes()
        runs = list(dict.fromkeys(each.run_id for each in of_file if each.run_id and each.state in _SENT))
        for run_id in runs:
            report = _report(schedules, run_id, runs_folder, scratch)
            if report is not None:
                made["report.html" if len(runs) == 1 else f"{run_id}.report.html"] = report
    reasons = reasons_of(arrival, of_file)
    if reasons:
        made["reason.txt"] = ("\n\n".join(reasons) + "\n").encode()
    return made


def _own(schedules: Schedules, of_file: list[Schedule]) -> pl.DataFrame:
    """The operator's own columns of what the file schedules."""
    rows = pl.concat([schedules.rows(each.schedule_id) for each in of_file]).filter(pl.col("own").is_not_null())
    return own_columns.decoded(rows.select("row", cells="own").sort("row"))


def reasons_of(arrival: Arrival, of_file: list[Schedule]) -> list[str]:
    """Why the file, or which part of it, was not carried out."""
    told = [arrival.reason] if arrival.reason else []
    words = {
        ScheduleState.REFUSED: "Refused",
        ScheduleState.CANCELLED: "Cancelled",
        ScheduleState.STOPPED: "Stopped",
        ScheduleState.LEFT_OUT: "Not carried out (results.csv says why, row by row)",
    }
    for each in of_file:
        if each.state in words:
            what = f"{each.told}, due {each.effective_at:%Y-%m-%d %H:%M} UTC, schedule {each.schedule_id}"
            told.append(f"{words[each.state]}: {what}." + (f"\n{each.detail}" if each.detail else ""))
    return told


def results(schedules: Schedules, of_file: list[Schedule], rejected: pl.DataFrame) -> pl.DataFrame:
    """A `schemas.tables.Results` with one line for each row of the file."""
    parts = [_rejected(rejected)]
    for each in of_file:
        rows, skips = schedules.rows(each.schedule_id), schedules.skips(each.schedule_id)
        carried_out = empty(Results)
        if each.run_id and each.state in (*_SENT, ScheduleState.REFUSED):
            carried_out = schedules.ledger.results(each.run_id).join(rows.select("row"), on="row", how="semi")
        others = rows.join(carried_out.select("row"), on="row", how="anti").join(skips, on="row", how="left")
        parts += [carried_out, _not_sent(others, each.detail or f"{each.state}".replace("_", " "))]
    return Results.validate(pl.concat(parts).sort("row"))


def _not_sent(rows: pl.DataFrame, why: str) -> pl.DataFrame:
    first_line = (why.splitlines() or [""])[0]
    return _judged(rows.with_columns(pl.col("reason").fill_null(first_line)), Verdict.SKIPPED)


def _rejected(rejected: pl.DataFrame) -> pl.DataFrame:
    unknown = [pl.lit(None, pl.String).alias(name) for name in ("sim_id", "iccid", "endpoint_id", "desired")]
    return _judged(rejected.select("row", *unknown, "reason"), Verdict.INVALID)


def _judged(rows: pl.DataFrame, verdict: Verdict) -> pl.DataFrame:
    nothing = {name: pl.lit("") for name in ("before", "after", "error")}
    unasked = ("sim_outcome", "endpoint_outcome", "owners", "owners_before", "owners_after", "named_as")
    none = {name: pl.lit(None, pl.String) for name in unasked}
    counted = {"attempts": pl.lit(0, pl.Int64), "http_status": pl.lit(None, pl.Int64)}
    return rows.with_columns(verdict=pl.lit(verdict.value), **nothing, **none, **counted).select(_RESULTS)


def _report(schedules: Schedules, run_id: str, runs_folder: Path, scratch: Path) -> bytes | None:
    """The run's report: as it wrote it, or, where that is on another machine, made anew from the ledger."""
    kept = runs_folder / run_id / "report.html"
    if kept.exists():
        return kept.read_bytes()
    ledger = schedules.ledger
    run = ledger.run(run_id)
    document = recorded_document(run.detail)
    if document is None:
        return None
    write_report(
        ledger,
        RunFolder(scratch),
        document,
        ledger.results(run_id),
        ledger.rejected(run_id),
        run.record.started_at,
        run.at,
    )
    return (scratch / "report.html").read_bytes()

"""From a file to the devices it asks for, every other row accounted for."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from schemas.device_csv import is_rounded
from schemas.organisations import OwnerField
from schemas.statuses import Target
from schemas.tables import Devices, Rejected, Repeats
from simtandem.domain import ownership
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake.cells import meaning, tidied
from simtandem.intake.device_file import Bounds, read_file, shown
from simtandem.intake.duplicates import Contradiction, find_duplicates
from simtandem.intake.gzip_data import unpacked
from simtandem.intake.header import EFFECTIVE_AT, FIELDS, IDS, OWNERS
from simtandem.intake.raw_table import Sheet, read_sheet
from simtandem.intake.row_errors import (
    PROBLEMS,
    at,
    judge_agreement,
    judge_cells,
    judge_moments,
    judge_rows,
    one_line_a_row,
    set_aside,
)
from simtandem.intake.vocabulary import Vocabulary, vocabulary_of

When = Callable[[str], datetime]
"""Reads a moment; raises `ValueError` with what is wrong with the text."""


def _no_moments() -> pl.DataFrame:
    return pl.DataFrame(schema={"row": pl.Int64, EFFECTIVE_AT: pl.Datetime("ms", "UTC")})


@dataclass(frozen=True, slots=True)
class Intake:
    """What a file asks for. Its rows are all here: `rows` = devices + rejected + repeats.

    `devices`, `rejected` and `repeats` are tables as in `schemas.tables`, sorted by row; `rejected` has one line a row.
    `sha256` is of the file's bytes. `notes` are sentences an operator should read. `moments` has `row` and
    `effective_at` of the rows that say when, and no row where `read_schedule` was not asked.
    """

    devices: pl.DataFrame
    rejected: pl.DataFrame
    repeats: pl.DataFrame
    rows: int
    file: str
    sha256: str
    notes: tuple[str, ...]
    moments: pl.DataFrame = dataclasses.field(default_factory=_no_moments)


_BOUNDS = Bounds()


def read_devices(
    path: Path,
    to: Target | None = None,
    bounds: Bounds = _BOUNDS,
    *,
    quoting: bool = True,
    lifecycle: Lifecycle,
) -> Intake:
    """Read a device CSV, no more of it than `bounds` allow. A row's own status wins, `to` fills the rest.

    Without `quoting` an error says nothing of what is in a file that is no device list. `lifecycle` says which
    words and ids the list may have.

    Raises `InputError` where the file as a whole is unusable: it can't be read, is no table, has no column that
    identifies a device, no status at all, or not one usable row; or where it says when, which can't be heeded here.
    """
    file = shown(path.name or str(path))
    try:
        data = read_file(path, bounds)
    except InputError as problem:
        raise _told(shown(str(path)) if quoting else file, problem, quoting=quoting) from (problem if quoting else None)
    try:
        vocabulary = vocabulary_of(lifecycle)
        sheet = read_sheet(unpacked(data, bounds), bounds.rows, vocabulary.kinds)
        intake = _take_in(sheet, to, file, hashlib.sha256(data).hexdigest(), vocabulary)
        _require_a_device(intake, _same_everywhere(sheet))
    except InputError as problem:
        raise _told(file, problem, quoting=quoting) from (problem if quoting else None)
    return intake


def _told(file: str, problem: InputError, *, quoting: bool) -> InputError:
    if isinstance(problem, UnrecognisedInput) and not quoting:
        return InputError(f"{file}: {problem.plain}")
    return InputError(f"{file}: {problem}")


def read_schedule(
    data: bytes,
    file: str,
    to: Target | None,
    when: When,
    bounds: Bounds = _BOUNDS,
    *,
    quoting: bool = True,
    lifecycle: Lifecycle,
) -> Intake:
    """As `read_devices`, for rows that may say when. A device may be asked for once for each moment.

    That no row is usable is no error here. `when` reads the moment of a row.
    """
    try:
        vocabulary = vocabulary_of(lifecycle)
        sheet, sha256 = (
            read_sheet(unpacked(data, bounds), bounds.rows, vocabulary.kinds),
            hashlib.sha256(data).hexdigest(),
        )
        return _take_in(sheet, to, file, sha256, vocabulary, when)
    except InputError as problem:
        raise _told(file, problem, quoting=quoting) from (problem if quoting else None)


def _take_in(
    sheet: Sheet, to: Target | None, file: str, sha256: str, vocabulary: Vocabulary, when: When | None = None
) -> Intake:
    aside = set_aside(sheet)
    texts = _each(sheet, sheet.cells.join(aside, on="row", how="anti"), tidied)
    if sheet.cells.is_empty():
        raise InputError("the file has a header but no rows.\nNothing was sent. It needs one row per device.")
    _require_a_wish(sheet, texts, to, vocabulary)
    if when is not None:
        _refuse_owners(sheet, texts)
    untimely = judge_moments(sheet, texts, when or _not_here)

    cells, rows = judge_cells(sheet, texts, vocabulary), judge_rows(sheet, texts, status_needed=to is None)
    problems = pl.concat([aside, cells, rows, untimely])
    values = _each(sheet, texts.join(problems, on="row", how="anti"), partial(meaning, vocabulary=vocabulary))
    disagreeing = judge_agreement(sheet, values)
    agreed = values.join(disagreeing, on="row", how="anti")
    usable = _devices(sheet, agreed, to)
    moments = _moments(sheet, agreed, when)
    repeated, contradictions = find_duplicates(_told_apart(_without_doubtful(usable), moments))

    repeats = pl.DataFrame(repeated, schema={"row": pl.Int64, "same_as": pl.Int64}, orient="row").sort("row")
    rejected = one_line_a_row(pl.concat([problems, disagreeing, _contradicting(sheet, contradictions)]))
    devices = usable.join(pl.concat([rejected.select("row"), repeats.select("row")]), on="row", how="anti").sort("row")
    return Intake(
        devices=Devices.validate(devices),
        rejected=Rejected.validate(rejected),
        repeats=Repeats.validate(repeats),
        rows=sheet.cells.height,
        file=file,
        sha256=sha256,
        notes=(*sheet.notes(), *_repeat_notes(repeats)),
        moments=moments,
    )


def _not_here(_text: str) -> datetime:
    raise InputError(
        "rows ask for a later moment (effective_at), and this command changes devices now.\n"
        "Nothing was sent. Use `simtandem schedule add` or the inbox, or remove the column effective_at."
    )


def _moments(sheet: Sheet, values: pl.DataFrame, when: When | None) -> pl.DataFrame:
    """When each row that says so becomes effective."""
    keys = [source.key for source in sheet.sources if source.field == EFFECTIVE_AT]
    if when is None or not keys:
        return _no_moments()
    told = values.select("row", text=pl.coalesce(keys)).drop_nulls()
    read = {text: when(text) for text in told["text"].unique().to_list()}
    moment = pl.col("text").replace_strict(read, default=None, return_dtype=pl.Datetime("ms", "UTC"))
    return told.select("row", moment.alias(EFFECTIVE_AT)).sort("row")


def _without_doubtful(devices: pl.DataFrame) -> pl.DataFrame:
    """The devices without ICCIDs that may have lost digits where another id says which is meant.

    They say nothing about which rows mean the same device; whether each is right shows in the carrier's listing.
    """
    named = pl.col("sim_id").is_not_null() | pl.col("endpoint_id").is_not_null()
    return devices.with_columns(iccid=pl.when(~(named & is_rounded(pl.col("iccid")))).then("iccid"))


def _told_apart(devices: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
    """The devices, those of one moment as if they were others than those of another."""
    if moments.is_empty():
        return devices
    moment = pl.col(EFFECTIVE_AT).cast(pl.Int64).cast(pl.String).fill_null("")
    apart = [pl.concat_str(moment, pl.lit(" "), pl.col(name)).alias(name) for name in IDS]
    return devices.join(moments, on="row", how="left", maintain_order="left").with_columns(apart).drop(EFFECTIVE_AT)


def _each(sheet: Sheet, table: pl.DataFrame, change: Callable[[str, pl.Expr], pl.Expr]) -> pl.DataFrame:
    """Every cell changed as its field asks for."""
    return table.with_columns(change(source.field, pl.col(source.key)).alias(source.key) for source in sheet.sources)


def _devices(sheet: Sheet, values: pl.DataFrame, to: Target | None) -> pl.DataFrame:
    """One column per field: of several columns for the same thing, whichever is filled in."""
    fallback = {"status": pl.lit(to, pl.String)}
    columns = {
        "desired" if field == "status" else field: pl.coalesce(
            *(source.key for source in sheet.sources if source.field == field),
            fallback.get(field, pl.lit(None, pl.String)),
        )
        for field in FIELDS
    }
    owners = {field: [source.key for source in sheet.sources if source.field == field] for field in OwnerField}
    wishes = {field: pl.coalesce(keys) for field, keys in owners.items() if keys}
    return values.select("row", **columns, owners=ownership.text(wishes) if wishes else pl.lit(None, pl.String))


def _contradicting(sheet: Sheet, contradictions: list[Contradiction]) -> pl.DataFrame:
    """Contradictions as problems of the column they are about."""
    found = [PROBLEMS.to_frame()]
    for field in (*FIELDS, "owners"):
        columns = OWNERS if field == "owners" else (field,)
        source = next((source for source in sheet.sources if source.field in columns), None)
        told = [(each.row, each.reason) for each in contradictions if each.field == field]
        # Without a column for it every row asks for the same, so what is contradicted always has a column.
        if source is not None:
            table = pl.DataFrame(told, schema={"row": pl.Int64, "reason": pl.String}, orient="row")
            found.append(at(source, table, sheet))
    return pl.concat(found)


def _refuse_owners(sheet: Sheet, texts: pl.DataFrame) -> None:
    asking = (source.header for source in sheet.sources if source.field in OWNERS and texts[source.key].count())
    column = next(asking, None)
    if column is not None:
        raise InputError(
            f"the column '{column}' asks for another owner; schedules and the inbox change no owners.\n"
            "Nothing was sent. Use `simtandem apply --change-owners`, or remove the column."
        )


def _require_a_wish(sheet: Sheet, texts: pl.DataFrame, to: Target | None, vocabulary: Vocabulary) -> None:
    allowed = ", ".join(vocabulary.allowed)
    if not vocabulary.may_ask(to):
        message = f"--to {to}: {vocabulary.carrier} has no such status. Nothing was sent. Use one of {allowed}."
        raise UnrecognisedInput(message, message)
    stated = any(texts[source.key].count() for source in sheet.sources if source.field in ("status", *OWNERS))
    if to is None and not stated:
        message = (
            "no row has a status, and none was given for all rows.\n"
            f"Nothing was sent. Give --to ({allowed}), or fill in a column called status."
        )
        notes = (note for note in sheet.notes() if note.startswith("Not read"))
        raise UnrecognisedInput(" ".join([message, *notes]), message)


def _require_a_device(intake: Intake, suspicion: str) -> None:
    if intake.devices.is_empty():
        row, column, value, reason = intake.rejected.row(0)
        what = f"no row is usable; {intake.rejected.height:,} invalid, the first: row {row}, {column}"
        then = "\nNothing was sent. Correct the rows and try again."
        raise UnrecognisedInput(f"{what} {value!r}: {reason}.{suspicion}{then}", f"{what}.{then}")


def _same_everywhere(sheet: Sheet) -> str:
    """That a column of ids, one of several, has one value in all rows: more likely a slot's number or the like."""
    ids = [source for source in sheet.sources if source.field in IDS]
    if len(ids) < 2 or sheet.cells.height < 2:
        return ""
    same = (source for source in ids if sheet.cells[source.key].n_unique() == 1 and sheet.cells[source.key][0])
    return "".join(
        f"\nThe column '{source.header}' says {sheet.cells[source.key][0][:40]!r} in every row. "
        "If it is no id of the device, remove or rename it."
        for source in same
    )


def _repeat_notes(repeats: pl.DataFrame) -> list[str]:
    if repeats.is_empty():
        return []
    row, same_as = repeats.row(0)
    example = f"row {row} repeats row {same_as}"
    return [f"Rows that repeat an earlier row, and are changed once with it: {repeats.height:,} ({example})."]

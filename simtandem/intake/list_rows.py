"""What the rows of one list ask for, and why the others are invalid. Rows are not compared here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from schemas.organisations import OwnerField
from schemas.statuses import Target
from simtandem.domain import ownership
from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake.cells import meaning, tidied
from simtandem.intake.duplicates import Contradiction
from simtandem.intake.header import EFFECTIVE_AT, FIELDS, IDS, OWNERS
from simtandem.intake.raw_table import Sheet
from simtandem.intake.row_errors import (
    PROBLEMS,
    at,
    judge_agreement,
    judge_cells,
    judge_moments,
    judge_rows,
    set_aside,
)
from simtandem.intake.vocabulary import Vocabulary

When = Callable[[str], datetime]
"""Reads a moment; raises `ValueError` with what is wrong with the text."""


def no_moments() -> pl.DataFrame:
    """The moments of a list in which no row says when."""
    return pl.DataFrame(schema={"row": pl.Int64, EFFECTIVE_AT: pl.Datetime("ms", "UTC")})


@dataclass(frozen=True, slots=True)
class ListRows:
    """The rows of a list: `usable` ones as a `schemas.tables.Devices` table, and `problems` as in `row_errors`.

    `moments` has `row` and `effective_at` of the rows that say when. `suspicion` is a sentence for the case that no row
    is usable.
    """

    sheet: Sheet
    usable: pl.DataFrame
    problems: pl.DataFrame
    moments: pl.DataFrame
    suspicion: str


def rows_of(sheet: Sheet, to: Target | None, vocabulary: Vocabulary, when: When | None = None) -> ListRows:
    """What each row asks for: its own status, or `to`. `when` reads the moment of a row, where that can be heeded.

    Raises `InputError` where there is no row, or no row that asks for anything.
    """
    aside = set_aside(sheet)
    texts = _marked(sheet, _each(sheet, sheet.cells.join(aside, on="row", how="anti"), tidied))
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
    return ListRows(
        sheet,
        _devices(sheet, agreed, to),
        pl.concat([problems, disagreeing]),
        _moments(sheet, agreed, when),
        _same_everywhere(sheet),
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
        return no_moments()
    told = values.select("row", text=pl.coalesce(keys)).drop_nulls()
    read = {text: when(text) for text in told["text"].unique().to_list()}
    moment = pl.col("text").replace_strict(read, default=None, return_dtype=pl.Datetime("ms", "UTC"))
    return told.select("row", moment.alias(EFFECTIVE_AT)).sort("row")


def _each(sheet: Sheet, table: pl.DataFrame, change: Callable[[str, pl.Expr], pl.Expr]) -> pl.DataFrame:
    """Every cell changed as its field asks for."""
    return table.with_columns(change(source.field, pl.col(source.key)).alias(source.key) for source in sheet.sources)


def _marked(sheet: Sheet, table: pl.DataFrame) -> pl.DataFrame:
    """Ids with the name of their kind where their digits alone do not say it."""
    return table.with_columns(
        source.kind.from_own_column(pl.col(source.key)).alias(source.key)
        for source in sheet.sources
        if source.kind is not None
    )


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


def contradicting(sheet: Sheet, contradictions: Sequence[Contradiction]) -> pl.DataFrame:
    """Contradictions of rows of this list as problems of the column they are about."""
    found = [PROBLEMS.to_frame()]
    for field in (*FIELDS, "owners"):
        columns = OWNERS if field == "owners" else (field,)
        source = next((source for source in sheet.sources if source.field in columns), None)
        told = [(each.row, each.reason) for each in contradictions if each.field == field]
        table = pl.DataFrame(told, schema={"row": pl.Int64, "reason": pl.String}, orient="row")
        if source is not None:
            found.append(at(source, table, sheet))
        else:  # another list of the run has it
            place = {"position": pl.lit(len(sheet.header), pl.Int64), "column": pl.lit(field), "value": pl.lit("")}
            found.append(table.with_columns(**place).select(PROBLEMS.names()))
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
    own = [texts[source.key] for source in sheet.sources if source.field == "status"]
    lacking = not own or pl.DataFrame(own).select(pl.all_horizontal(pl.all().is_null())).to_series().any()
    if not vocabulary.may_ask(to) and lacking:
        message = f"{vocabulary.carrier} has no status {to}. Nothing was sent. Use one of {allowed}."
        raise UnrecognisedInput(message, message)
    stated = any(texts[source.key].count() for source in sheet.sources if source.field in ("status", *OWNERS))
    if to is None and not stated:
        message = (
            "no row has a status, and none was given for all rows.\n"
            f"Nothing was sent. Give --to ({allowed}), or fill in a column called status."
        )
        notes = (note for note in sheet.notes() if note.startswith("Not read"))
        raise UnrecognisedInput(" ".join([message, *notes]), message)


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

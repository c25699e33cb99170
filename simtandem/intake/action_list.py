"""From files to the SIM actions they ask for, every other row accounted for.

They are read as device lists are, several as one; two columns are their own, `action` and `bic`. One thing differs: in
a row that assigns, the endpoint says nothing of which SIM is meant, so it vouches for no ICCID that may have lost
digits. Which rows mean the same SIM or endpoint is seen in the carrier's listing, when the plan is made.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from schemas import own_columns
from schemas.sim_actions import ActionWishes, SimAction
from schemas.tables import Rejected, Repeats, empty
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.sim_actions import action_words, missing, rule_of
from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake.cells import meaning, tidied
from simtandem.intake.device_file import Reading
from simtandem.intake.device_list import Intake
from simtandem.intake.header import ACTION_COLUMNS, EFFECTIVE_AT, IDS, OWNERS, Source
from simtandem.intake.list_parts import ListFile, ListPart, Naming, names_of, notes_of, own_of, read_parts, sha256_of
from simtandem.intake.raw_table import MoreColumns, Sheet
from simtandem.intake.row_errors import PROBLEMS, at, judge_agreement, judge_cells, one_line_a_row, set_aside
from simtandem.intake.vocabulary import vocabulary_of

_COLUMNS = MoreColumns(ACTION_COLUMNS, own_columns.RESERVED_BY_ACTIONS)
_AS_IT_IS = Reading()
_FIELDS = ("action", *IDS, "bic", "status")
_BIC = r"^[0-9A-Za-z-]{1,64}$"
_DELETE = ("delete", "deleted", "terminate")
_NEEDS = {
    SimAction.ASSIGN: "an assignment names the endpoint by its endpoint_id, and the SIM by its sim_id or iccid",
    SimAction.RELEASE: "the row names no device: every id is empty",
    SimAction.RESET_CONNECTIVITY: "the row names no device: every id is empty",
    SimAction.REGISTER_BATCH: "the row names no batch: it needs a bic, and no id of a device",
}


def read_actions(
    files: Sequence[ListFile], do: SimAction | None, reading: Reading = _AS_IT_IS, *, lifecycle: Lifecycle
) -> Intake:
    """Read a list of SIM actions. A row's own action wins, `do` fills the rest.

    `devices` of what is returned is a `schemas.sim_actions.ActionWishes` table. Raises `InputError` where the carrier
    has no such action, a file as a whole is unusable, or not one row of the list is usable.
    """
    if not lifecycle.actions or (do and str(do) not in action_words(lifecycle.actions).values()):
        raise InputError(f"{missing(lifecycle.carrier, do or '')}. Nothing was sent.")
    parts: list[ListPart] = []
    wishes, problems = [empty(ActionWishes)], [PROBLEMS.to_frame()]
    for part in read_parts(files, reading, lifecycle.ids, _COLUMNS):
        with Naming(part.name, reading):
            asked, wrong = _rows_of(part.sheet, do, lifecycle)
        parts.append(part)
        wishes.append(asked)
        problems.append(wrong)
    with Naming(names_of(parts), reading):
        return _put_together(parts, pl.concat(wishes), one_line_a_row(pl.concat(problems)))


def _put_together(parts: Sequence[ListPart], wishes: pl.DataFrame, rejected: pl.DataFrame) -> Intake:
    own, own_notes = own_of(parts)
    if wishes.is_empty():
        row, column, value, reason = rejected.row(0)
        raise InputError(
            f"no row is usable; {rejected.height:,} invalid, the first: {own_columns.Places(own)(row)}, "
            f"{column} {value!r}: {reason}.\nNothing was sent. Correct the rows and try again."
        )
    return Intake(
        devices=ActionWishes.validate(wishes),
        rejected=Rejected.validate(rejected),
        repeats=empty(Repeats),
        rows=sum(part.sheet.cells.height for part in parts),
        file=names_of(parts),
        sha256=sha256_of(parts),
        notes=(*notes_of(parts), *own_notes),
        own=own,
    )


def _rows_of(sheet: Sheet, do: SimAction | None, lifecycle: Lifecycle) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the usable rows of one file ask for, and the problems of the others."""
    _refuse_other_wishes(sheet)
    sheet = dataclasses.replace(sheet, sources=tuple(each for each in sheet.sources if each.field in _FIELDS))
    if sheet.cells.is_empty():
        raise InputError("the file has a header but no rows.\nNothing was sent. It needs one row per SIM.")
    aside = set_aside(sheet)
    texts = sheet.cells.join(aside, on="row", how="anti").with_columns(
        tidied(_shape(source), pl.col(source.key)).alias(source.key) for source in sheet.sources
    )
    vocabulary = vocabulary_of(lifecycle)
    problems = pl.concat([aside, *_cell_problems(sheet, texts, lifecycle)])
    usable = texts.join(problems, on="row", how="anti")
    means = {each.key: meaning(each.field, pl.col(each.key), vocabulary) for each in sheet.sources if each.field in IDS}
    values = usable.with_columns(**means)
    problems = pl.concat([problems, judge_agreement(sheet, values)])
    wishes = _wishes(sheet, values.join(problems, on="row", how="anti"), do, lifecycle)
    problems = pl.concat([problems, *_lacking(sheet, wishes)])
    return wishes.join(problems, on="row", how="anti").sort("row"), problems


def _shape(source: Source) -> str:
    """As which field a cell is tidied: a word as a status is."""
    return "status" if source.field in ("action", "status") else source.field


def _refuse_other_wishes(sheet: Sheet) -> None:
    """Columns that ask for what no action does are not passed over: their rows would be half understood."""
    for source in sheet.sources:
        if source.field in (EFFECTIVE_AT, *OWNERS) and sheet.cells[source.key].str.strip_chars().ne("").any():
            raise UnrecognisedInput(
                f"the column '{source.header}' asks for what no SIM action does.\n"
                "Nothing was sent. Remove it, or use `simtandem apply` for it.",
                "a column asks for what no SIM action does.\nNothing was sent. Remove it.",
            )


def _cell_problems(sheet: Sheet, texts: pl.DataFrame, lifecycle: Lifecycle) -> Iterator[pl.DataFrame]:
    """Cells that won't do. The endpoint's are judged apart from the SIM's: neither says which the other is."""
    vocabulary = vocabulary_of(lifecycle)
    for fields in (("sim_id", "iccid"), ("endpoint_id",)):
        some = tuple(source for source in sheet.sources if source.field in fields)
        yield judge_cells(dataclasses.replace(sheet, sources=some), texts, vocabulary)
    words = action_words(lifecycle.actions)
    for source in sheet.sources:
        if source.field == "action":
            yield at(source, _unknown(texts, source, words), sheet)
        elif source.field == "bic":
            strange = texts.filter(~pl.col(source.key).str.contains(_BIC))
            yield at(
                source, strange.select("row", reason=pl.lit("is no code of a batch: letters, digits, dashes")), sheet
            )
        elif source.field == "status":
            known = ", ".join(_statuses(lifecycle))
            told = pl.lit(f"is nothing that a batch can be registered as; allowed are {known or 'none'}")
            strange = texts.filter(~pl.col(source.key).is_in(list(_statuses(lifecycle))))
            yield at(source, strange.select("row", reason=told), sheet)


def _statuses(lifecycle: Lifecycle) -> Mapping[str, str]:
    """What a batch can be registered as: the word, as a tidied cell has it, and the SIM's status."""
    rule = rule_of(lifecycle.actions, SimAction.REGISTER_BATCH)
    return rule.statuses if rule else {}


def _unknown(texts: pl.DataFrame, source: Source, words: Mapping[str, str]) -> pl.DataFrame:
    """Action cells that say nothing that can be done."""
    allowed = ", ".join(dict.fromkeys(words.values()))
    cell = pl.col(source.key)
    reason = pl.when(cell.is_in(_DELETE)).then(pl.lit(f"simtandem deletes nothing; allowed are {allowed}"))
    strange = texts.filter(cell.is_not_null() & ~cell.is_in(list(words)))
    return strange.select("row", reason=reason.otherwise(pl.lit(f"is not an action; allowed are {allowed}")))


def _wishes(sheet: Sheet, values: pl.DataFrame, do: SimAction | None, lifecycle: Lifecycle) -> pl.DataFrame:
    """One column per field: of several columns for the same thing, whichever is filled in."""
    columns = {
        field: pl.coalesce(*(source.key for source in sheet.sources if source.field == field), pl.lit(None, pl.String))
        for field in _FIELDS
    }
    action = columns["action"].replace_strict(action_words(lifecycle.actions), default=None, return_dtype=pl.String)
    columns["action"] = pl.coalesce(action, pl.lit(None if do is None else str(do), pl.String))
    columns["status"] = columns["status"].replace_strict(_statuses(lifecycle), default=None, return_dtype=pl.String)
    order = list(empty(ActionWishes).columns)
    return values.select("row", **columns).select(order)


def _lacking(sheet: Sheet, wishes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Rows that ask for nothing, or don't name what their action is about."""
    named = {field: pl.col(field).is_not_null() for field in ("sim_id", "endpoint_id", "iccid")}
    sim = named["sim_id"] | named["iccid"]
    nothing = "the row has no action, and none was given for all rows (--do)"
    yield from _told(sheet, wishes.filter(pl.col("action").is_null()), "action", nothing)
    complete = {
        SimAction.ASSIGN: sim & named["endpoint_id"],
        SimAction.RELEASE: sim | named["endpoint_id"],
        SimAction.RESET_CONNECTIVITY: sim | named["endpoint_id"],
        SimAction.REGISTER_BATCH: pl.col("bic").is_not_null() & ~sim & ~named["endpoint_id"],
    }
    ofbatch = pl.col("action") == SimAction.REGISTER_BATCH
    beside = wishes.filter(~ofbatch & pl.any_horizontal(pl.col("bic", "status").is_not_null()))
    yield from _told(sheet, beside, "bic", "a bic and a status are for register_batch alone; remove them")
    for action, whole in complete.items():
        yield from _told(sheet, wishes.filter((pl.col("action") == action) & ~whole), "endpoint_id", _NEEDS[action])


def _told(sheet: Sheet, rows: pl.DataFrame, field: str, reason: str) -> Iterator[pl.DataFrame]:
    """Problems of these rows, of the first column of that field; of none where the file has no such column."""
    source = next((each for each in sheet.sources if each.field == field), None)
    told = rows.select(
        "row",
        position=pl.lit(source.index if source else len(sheet.header), pl.Int64),
        column=pl.lit(source.header if source else field),
        value=pl.lit(""),
        reason=pl.lit(reason),
    )
    yield told.select(PROBLEMS.names())

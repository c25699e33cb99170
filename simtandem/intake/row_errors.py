"""Why a row is invalid, in sentences an operator can act on.

A problem is a line of: `row`, `position` (of the column in the file, from 0), `column` (its header), `value` (the raw
cell) and `reason`. A row can have several.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

import polars as pl

from schemas.device_csv import check_digit, failures, is_rounded
from schemas.organisations import NOBODY
from simtandem.intake.header import EFFECTIVE_AT, FIELDS, IDS, OWNERS, Source
from simtandem.intake.raw_table import Sheet
from simtandem.intake.vocabulary import Vocabulary

PROBLEMS = pl.Schema(
    {"row": pl.Int64, "position": pl.Int64, "column": pl.String, "value": pl.String, "reason": pl.String}
)
_WIDEST = 80
_LOST = "format the column as text and export it again"
_TEXT = pl.col("text")
_NOTHING = pl.lit(None, pl.String)
_SENTENCES = {
    "formula": pl.lit("is a formula; enter the value itself"),
    "scientific": pl.lit(f"a spreadsheet turned it into a number and lost digits; {_LOST}"),
    "thousands": pl.lit("has separators between its digits; write the digits only"),
    "date": pl.lit("is a date; a spreadsheet turned a number into it; format the column as text and enter it again"),
    "not_digits": pl.lit("is not a number of digits only"),
    "zero": pl.lit("is zero; ids begin at 1"),
    "too_long": pl.format(
        "has {} digits, an id has at most 18; perhaps this is an ICCID in the wrong column", _TEXT.str.len_bytes()
    ),
    "length": pl.format("has {} digits, an ICCID has 19, or 20 with its check digit", _TEXT.str.len_bytes()),
    "not_89": pl.format("begins with {}, an ICCID begins with 89", _TEXT.str.slice(0, 2)),
    "rounded": pl.lit(
        f"ends in zeros after its 15th digit; probably a spreadsheet kept 15 digits and lost the others; {_LOST},"
        " or name this device by its sim_id or endpoint_id, too"
    ),
    "luhn": pl.format(
        "has {} as its check digit where {} belongs; a digit is wrong", _TEXT.str.slice(19, 1), check_digit(_TEXT)
    ),
    "not_an_owner": pl.lit(f"is neither an organisation's number nor {NOBODY}"),
    "not_clearable": pl.lit("a SIM always has an issuer; give an organisation's number"),
}


def set_aside(sheet: Sheet) -> pl.DataFrame:
    """Rows that are not device rows, and rows whose cells don't match the columns."""
    width = len(sheet.header)
    too_many = f"the row has more cells than there are columns ({width}); a cell with a separator in it needs quotes"
    problems = [(row, 0, sheet.header[0], text, "is a total row, not a device") for row, text in sheet.totals.items()]
    problems += [(row, width, f"column {width + 1}", text, too_many) for row, text in sheet.overflows.items()]
    return pl.DataFrame(problems, schema=PROBLEMS, orient="row")


def judge_cells(sheet: Sheet, texts: pl.DataFrame, vocabulary: Vocabulary) -> pl.DataFrame:
    """Cells that fail a check of `schemas.device_csv.DeviceCsv`."""
    found = [PROBLEMS.to_frame()]
    for layer in _layers(sheet.sources):
        columns = [_text(sheet, layer, field).alias(field) for field in FIELDS]
        columns += [pl.col(layer[field].key).alias(field) for field in OWNERS if field in layer]
        failed = failures(texts.select("row", *columns), vocabulary.rules)
        for field, source in layer.items():
            told = failed.filter(pl.col("column") == field).select("row", reason=_sentence(vocabulary))
            found.append(at(source, told, sheet))
    return pl.concat(found)


def _text(sheet: Sheet, layer: dict[str, Source], field: str) -> pl.Expr:
    """The field's cells in this layer, without ICCIDs that end in zeros where the row has another id.

    There the ICCID does not decide which SIM is meant: whether it is that SIM's shows in the carrier's listing. Its
    20 digits in another column, the last one not zero, prove as much: a spreadsheet would have made that zero as well.
    """
    if field not in layer:
        return _NOTHING
    cell = pl.col(layer[field].key)
    if field != "iccid":
        return cell
    vouched = [pl.lit(value=False)]
    for source in sheet.sources:
        other = pl.col(source.key)
        if source.field == "iccid":
            vouched.append((other.str.len_bytes() == 20) & other.str.starts_with(cell) & ~other.str.ends_with("0"))
        elif source.field in IDS:
            vouched.append(other.is_not_null())
    return pl.when(~(pl.any_horizontal(vouched) & is_rounded(cell)).fill_null(value=False)).then(cell)


def judge_rows(sheet: Sheet, texts: pl.DataFrame, *, status_needed: bool) -> pl.DataFrame:
    """Rows that name no device, or, where a status is needed, ask for nothing."""
    found = [_missing(sheet, texts, IDS, "the row names no device: every id is empty")]
    if status_needed:
        nothing = "the row has no status, and none was given for all rows"
        if any(source.field in OWNERS for source in sheet.sources):
            nothing = "the row asks for no status and no owner, and no status was given for all rows"
        found.append(_missing(sheet, texts, ("status", *OWNERS), nothing))
    return pl.concat(found)


def judge_moments(sheet: Sheet, texts: pl.DataFrame, when: Callable[[str], object]) -> pl.DataFrame:
    """Cells that should say when a row becomes effective and don't. `when` raises `ValueError` for those."""
    found = [PROBLEMS.to_frame()]
    for source in sheet.sources:
        if source.field == EFFECTIVE_AT:
            wrong: dict[str, str] = {}
            for text in texts[source.key].drop_nulls().unique():
                try:
                    when(text)
                except ValueError as error:
                    wrong[text] = str(error)
            told = texts.filter(pl.col(source.key).is_in(list(wrong)))
            reason = pl.col(source.key).replace_strict(wrong, default=None, return_dtype=pl.String)
            found.append(at(source, told.select("row", reason=reason), sheet))
    return pl.concat(found)


def judge_agreement(sheet: Sheet, values: pl.DataFrame) -> pl.DataFrame:
    """Rows whose columns for one and the same thing disagree. `values` holds what the cells stand for."""
    found = [PROBLEMS.to_frame()]
    for number, other in enumerate(sheet.sources):
        earlier = [source for source in sheet.sources[:number] if source.field == other.field]
        if earlier:
            first = pl.coalesce(
                pl.when(pl.col(source.key).is_not_null()).then(pl.lit(source.header)) for source in earlier
            )
            disagreeing = values.filter(pl.coalesce(source.key for source in earlier) != pl.col(other.key))
            told = disagreeing.select("row", reason=pl.format("disagrees with the column '{}'", first))
            found.append(at(other, told, sheet))
    return pl.concat(found)


def at(source: Source, told: pl.DataFrame, sheet: Sheet) -> pl.DataFrame:
    """Reasons (`row`, `reason`) as problems of a column."""
    raw = sheet.cells.select("row", value=source.key)
    place = {"position": pl.lit(source.index, pl.Int64), "column": pl.lit(source.header, pl.String)}
    return told.join(raw, on="row", how="left").with_columns(**place).select(PROBLEMS.names())


def one_line_a_row(problems: pl.DataFrame) -> pl.DataFrame:
    """A `schemas.tables.Rejected` table: the problem furthest left, the others of the row added to its reason."""
    whole = (
        pl.when(pl.int_range(pl.len()).over("row") == 0)
        .then("reason")
        .otherwise(pl.format("{} {}", "column", "reason"))
    )
    return (
        problems.sort("row", "position", maintain_order=True)
        .with_columns(reason=whole)
        .group_by("row", maintain_order=True)
        .agg(pl.col("column", "value").first(), pl.col("reason").str.join("; also "))
        .with_columns(value=_shortened(pl.col("value")))
    )


def _sentence(vocabulary: Vocabulary) -> pl.Expr:
    """The sentence for a failed check, from its `kind` and the `text` of the cell."""
    sentences = _SENTENCES | {
        "unwished": _TEXT.replace_strict(dict(vocabulary.unwished), default=None, return_dtype=pl.String),
        "unknown": pl.lit(f"is not a status; allowed are {', '.join(vocabulary.allowed)}"),
        "shape": pl.lit(vocabulary.stranger),
    }
    return pl.coalesce(pl.when(pl.col("kind") == kind).then(words) for kind, words in sentences.items())


def _layers(sources: Sequence[Source]) -> Iterator[dict[str, Source]]:
    """The sources by field; where a field has several, the second ones make a second layer, and so on."""
    by_field = {field: [source for source in sources if source.field == field] for field in (*FIELDS, *OWNERS)}
    for layer in zip_longest(*by_field.values()):
        yield {source.field: source for source in layer if source is not None}


def _missing(sheet: Sheet, texts: pl.DataFrame, fields: Sequence[str], reason: str) -> pl.DataFrame:
    """Rows in which every column of these fields is empty."""
    sources = [source for source in sheet.sources if source.field in fields]
    empty = texts.filter(pl.all_horizontal(pl.lit(value=True), *(pl.col(source.key).is_null() for source in sources)))
    return empty.select(
        "row",
        position=pl.lit(sources[0].index if sources else len(sheet.header), pl.Int64),
        column=pl.lit(", ".join(source.header for source in sources) or fields[0]),
        value=pl.lit(""),
        reason=pl.lit(reason),
    )


def _shortened(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.len_chars() > _WIDEST).then(text.str.slice(0, _WIDEST - 1) + "…").otherwise(text)

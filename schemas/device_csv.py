"""The device CSV as text: the shape of its cells, and what can be wrong with them.

The table is checked before anything in it is turned into a number or a status: type inference turns an ICCID into a
float and loses digits. Every check is one kind of problem. A cell can fail several of them; the first one in the order
below says most about it, and is the one that counts.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors
from pandera.typing.polars import Series

from schemas.organisations import CLEARABLE, NOBODY, OwnerField

_OWNERS = tuple(str(field) for field in OwnerField)
_CELLS = ("sim_id", "endpoint_id", "iccid", "status", *_OWNERS)
_NUMBERS = ("sim_id", "endpoint_id", "iccid")
_IDS = ("sim_id", "endpoint_id")

_FORMULA = r"^[=+\-@]"
_SCIENTIFIC = r"^[0-9]+([.,][0-9]*)?[eE]\+?[0-9]+$"
_THOUSANDS = r"^[0-9]{1,3}([.,'’\s][0-9]{3})+$"  # noqa: RUF001 - the Swiss separator
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]|$)"
_ROUNDED_ICCID = r"^[0-9]{15}0{4,5}$"
_BY_CHANCE = 3 / 10_000
"""One true ICCID in 10,000 ends in four zeros. Up to three times that share of a column is chance, more is damage."""
_BY_LUCK = 10
"""One number in ten has the right check digit by luck: where it is right, that much less points to damage."""


def check_digit(iccid: pl.Expr) -> pl.Expr:
    """The Luhn check digit of the first 19 digits, as an integer; null where they are not 19 digits."""
    head = iccid.str.slice(0, 9).cast(pl.Int64, strict=False)
    tail = iccid.str.slice(9, 10).cast(pl.Int64, strict=False)
    total = pl.lit(0, dtype=pl.Int64)
    for place in range(19):
        digit = (tail // 10**place if place < 10 else head // 10 ** (place - 10)) % 10
        # Every second digit is doubled, beginning with the last; a product of two digits counts as their sum.
        total += (digit * 2 - pl.when(digit > 4).then(9).otherwise(0)) if place % 2 == 0 else digit
    return (10 - total % 10) % 10


def _check_digit_is_wrong(iccid: pl.Expr) -> pl.Expr:
    last = iccid.str.slice(19, 1).cast(pl.Int64, strict=False)
    return (iccid.str.len_bytes() == 20) & (last != check_digit(iccid))


def is_rounded(iccid: pl.Expr) -> pl.Expr:
    """Whether an ICCID looks as if 15 of its digits were kept and the others became zeros. True ones can look so.

    False where its check digit is wrong: then it is no true one.
    """
    return iccid.str.contains(_ROUNDED_ICCID) & ~_check_digit_is_wrong(iccid)


def _lost_digits(iccid: pl.Expr) -> pl.Expr:
    """Which ICCIDs of a column were damaged, as far as the column shows.

    A wrong check digit proves it, a right one is evidence against it. The carrier's listing would decide nothing: a
    fleet with consecutive ICCIDs has a SIM of the rounded number, too. So what can't be chance is not used.
    """
    return iccid.map_batches(_lost, return_dtype=pl.Boolean)


def _lost(iccids: pl.Series) -> pl.Series:
    """The same of a column that is there. Few end in zeros, and only of them is the check digit worked out."""
    cell, wrong = pl.col("iccid"), pl.col("wrong")
    few = pl.DataFrame({"iccid": iccids}).with_row_index("place").filter(cell.str.contains(_ROUNDED_ICCID))
    by_chance = _BY_CHANCE * iccids.count()
    right = (cell.str.len_bytes() == 20) & ~wrong & ~wrong.any()
    plain = ~wrong & ~right
    damaged = wrong | (plain & (plain.sum() > by_chance)) | (right & (right.sum() > by_chance * _BY_LUCK))
    places = few.with_columns(wrong=_check_digit_is_wrong(cell)).filter(damaged)["place"]
    return pl.zeros(len(iccids), pl.Boolean, eager=True).scatter(places, values=True)


def _every(data: pa.PolarsData, test: Callable[[pl.Expr], pl.Expr]) -> pl.LazyFrame:
    """The outcome of a check on one column. An empty cell, null, fails none."""
    return data.lazyframe.select(test(pl.col(data.key)))


class DeviceCsv(pa.DataFrameModel):
    """The columns that matter, all of them text, trimmed, null where nothing was written.

    `row` is the row number a spreadsheet shows. A status is in lower case and without spaces, underscores and dashes;
    an ICCID is without the spaces and dashes between its groups and without its padding. The columns that ask for
    another owner are there only where the file has them.
    """

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    status: Series[pl.String] = pa.Field(nullable=True)
    customer_org_id: Series[pl.String] | None = pa.Field(nullable=True)
    reseller_org_id: Series[pl.String] | None = pa.Field(nullable=True)
    issuer_org_id: Series[pl.String] | None = pa.Field(nullable=True)

    class Config:
        """No other columns, and nothing converted on the way."""

        strict = True
        coerce = False

    @pa.check(*_CELLS, name="formula")
    @classmethod
    def _formula(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.str.contains(_FORMULA))

    @pa.check(*_NUMBERS, *_OWNERS, name="scientific")
    @classmethod
    def _scientific(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.str.contains(_SCIENTIFIC))

    @pa.check(*_IDS, *_OWNERS, name="thousands")
    @classmethod
    def _thousands(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.str.contains(_THOUSANDS))

    @pa.check(*_IDS, *_OWNERS, name="date")
    @classmethod
    def _date(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.str.contains(_DATE))

    @pa.check(*_NUMBERS, name="not_digits")
    @classmethod
    def _not_digits(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell.str.contains(r"^[0-9]+$"))

    @pa.check(*_IDS, *_OWNERS, name="zero")
    @classmethod
    def _zero(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.str.contains(r"^0+$"))

    @pa.check(*_OWNERS, name="not_an_owner")
    @classmethod
    def _not_an_owner(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell.str.contains(rf"^([0-9]+|{NOBODY})$"))

    @pa.check(*(field for field in _OWNERS if field not in CLEARABLE), name="not_clearable")
    @classmethod
    def _not_clearable(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell != NOBODY)

    @pa.check(*_IDS, *_OWNERS, name="too_long")
    @classmethod
    def _too_long(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell.str.len_bytes() <= 18)

    @pa.check("iccid", name="length")
    @classmethod
    def _length(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell.str.len_bytes().is_between(19, 20))

    @pa.check("iccid", name="not_89")
    @classmethod
    def _not_89(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell.str.starts_with("89"))

    @pa.check("iccid", name="rounded")
    @classmethod
    def _rounded(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~_lost_digits(cell))

    @pa.check("iccid", name="luhn")
    @classmethod
    def _luhn(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~_check_digit_is_wrong(cell))


@dataclass(frozen=True, slots=True)
class CellRules:
    """What a carrier makes of cells, beyond what damages a list of any carrier.

    `wishes` are the words that a status cell may say, `unwished` others that are known there. `unchecked` are the
    checks of `DeviceCsv` that don't apply, each with its column. `shapes` say what a cell of a column looks like whole,
    where that column may hold ids of several kinds, ICCIDs among them, or none.
    """

    wishes: Collection[str]
    unwished: Collection[str] = ()
    unchecked: Collection[tuple[str, str]] = ()
    shapes: Mapping[str, str] = field(default_factory=dict)


def failures(table: pl.DataFrame, rules: CellRules) -> pl.DataFrame:
    """The cells of a `DeviceCsv` table that won't do, one line each: `row`, `column`, `kind` and `text`.

    `kind` is the name of the check that counts; `unwished`, `unknown` and `shape` are those of `rules`. Raises
    pandera's `SchemaErrors` where the table itself, not a cell, is wrong: that is a mistake in the program.
    """
    found = pl.DataFrame(schema=_FAILURES)
    texts = [name for name in _CELLS if table.schema.get(name) == pl.String]
    blank = [name for name in texts if table[name].null_count() == table.height]  # nothing in there can fail
    try:
        # An environment variable can switch pandera off or to a shallow look; these checks guard live SIMs.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            DeviceCsv.to_schema().remove_columns(blank).validate(table.drop(blank), lazy=True)
    except SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        if cases["index"].has_nulls() or not cases["column"].is_in(_CELLS).all():
            raise
        first = (
            _applying(cases, rules.unchecked)
            .sort("index", "check_number")
            .unique(["index", "column"], keep="first", maintain_order=True)
        )
        rows = table["row"].gather(first["index"])
        found = first.select(
            rows.alias("row"), "column", pl.col("check").alias("kind"), pl.col("failure_case").alias("text")
        )
    return pl.concat([found, _against(table, rules).join(found, on=["row", "column"], how="anti")])


_FAILURES = {"row": pl.Int64, "column": pl.String, "kind": pl.String, "text": pl.String}


def _applying(cases: pl.DataFrame, unchecked: Collection[tuple[str, str]]) -> pl.DataFrame:
    """The failures of checks that apply."""
    beside = pl.DataFrame(list(unchecked), schema={"column": pl.String, "check": pl.String}, orient="row")
    return cases.join(beside, on=["column", "check"], how="anti")


def _against(table: pl.DataFrame, rules: CellRules) -> pl.DataFrame:
    """Status cells that ask for nothing, and ids of no shape that the carrier has."""
    status = pl.col("status")
    known = status.is_in(list(rules.unwished))
    kind = pl.when(known).then(pl.lit("unwished")).otherwise(pl.lit("unknown"))
    found = [_cells(table.filter(~status.is_in(list(rules.wishes))), "status", kind)]
    for column, shape in rules.shapes.items():
        fits = pl.col(column).str.contains(f"^(?:{shape})$")
        found.append(_cells(table.filter(~fits), column, pl.lit("shape")))
        found.append(_cells(table.filter(fits & _lost_digits(pl.col(column))), column, pl.lit("rounded")))
    return pl.concat(found)


def _cells(rows: pl.DataFrame, column: str, kind: pl.Expr) -> pl.DataFrame:
    return rows.select("row", column=pl.lit(column), kind=kind, text=column)

"""The device CSV as text: the shape of its cells, and what can be wrong with them.

The table is checked before anything in it is turned into a number or a status: type inference turns an ICCID into a
float and loses digits. Every check is one kind of problem. A cell can fail several of them; the first one in the order
below says most about it, and is the one that counts.
"""

from collections.abc import Callable, Collection

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors
from pandera.typing.polars import Series

from schemas.organisations import CLEARABLE, NOBODY, OwnerField
from schemas.statuses import Target

WISHES = {
    "activated": Target.ACTIVATED,
    "activate": Target.ACTIVATED,
    "active": Target.ACTIVATED,
    "1": Target.ACTIVATED,
    "suspended": Target.SUSPENDED,
    "suspend": Target.SUSPENDED,
    "2": Target.SUSPENDED,
    "factorytest": Target.FACTORY_TEST,
    "4": Target.FACTORY_TEST,
}
"""What can be in a status cell, in lower case and without spaces, underscores and dashes."""

ISSUED = ("issued", "0")
DELETED = ("deleted", "delete", "3")
ENDPOINT_WORDS = ("enabled", "enable", "disabled", "disable")

_OWNERS = tuple(str(field) for field in OwnerField)
_CELLS = ("sim_id", "endpoint_id", "iccid", "status", *_OWNERS)
_NUMBERS = ("sim_id", "endpoint_id", "iccid")
_IDS = ("sim_id", "endpoint_id")

_FORMULA = r"^[=+\-@]"
_SCIENTIFIC = r"^[0-9]+([.,][0-9]*)?[eE]\+?[0-9]+$"
_THOUSANDS = r"^[0-9]{1,3}([.,'’\s][0-9]{3})+$"  # noqa: RUF001 - the Swiss separator
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
    rounded = is_rounded(iccid)
    proven = iccid.str.contains(_ROUNDED_ICCID) & ~rounded
    right = rounded & (iccid.str.len_bytes() == 20) & ~proven.any()
    plain = rounded & ~right
    by_chance = _BY_CHANCE * iccid.count()
    return proven | (plain & (plain.sum() > by_chance)) | (right & (right.sum() > by_chance * _BY_LUCK))


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

    @pa.check("status", name="issued")
    @classmethod
    def _issued(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.is_in(ISSUED))

    @pa.check("status", name="deleted")
    @classmethod
    def _deleted(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.is_in(DELETED))

    @pa.check("status", name="endpoint_word")
    @classmethod
    def _endpoint_word(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: ~cell.is_in(ENDPOINT_WORDS))

    @pa.check("status", name="unknown")
    @classmethod
    def _unknown(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return _every(data, lambda cell: cell.is_in(list(WISHES)))


def failures(
    table: pl.DataFrame, wishes: Collection[str] = tuple(WISHES), unchecked: Collection[str] = ()
) -> pl.DataFrame:
    """The cells of a `DeviceCsv` table that won't do, one line each: `row`, `column`, `kind` and `text`.

    `kind` is the name of the check that counts. `wishes` are the words that a status cell may say, `unchecked`
    the checks that don't apply. Raises pandera's `SchemaErrors` where the table itself, not a cell, is wrong: that is a
    mistake in the program.
    """
    found = pl.DataFrame(schema={"row": pl.Int64, "column": pl.String, "kind": pl.String, "text": pl.String})
    try:
        # An environment variable can switch pandera off or to a shallow look; these checks guard live SIMs.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            DeviceCsv.validate(table, lazy=True)
    except SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        if cases["index"].has_nulls() or not cases["column"].is_in(_CELLS).all():
            raise
        others = _applying(cases, wishes, unchecked)
        first = others.sort("index", "check_number").unique(["index", "column"], keep="first", maintain_order=True)
        rows = table["row"].gather(first["index"])
        found = first.select(
            rows.alias("row"), "column", pl.col("check").alias("kind"), pl.col("failure_case").alias("text")
        )
    return pl.concat([found, _strangers(table, found, wishes)])


def _applying(cases: pl.DataFrame, wishes: Collection[str], unchecked: Collection[str]) -> pl.DataFrame:
    """The failures that count: not those of checks that don't apply, nor of words that are wishes here."""
    known_here = (pl.col("check") == "unknown") & pl.col("failure_case").is_in(list(wishes))
    return cases.filter(~pl.col("check").is_in(list(unchecked)) & ~known_here.fill_null(value=False))


def _strangers(table: pl.DataFrame, found: pl.DataFrame, wishes: Collection[str]) -> pl.DataFrame:
    """Status cells that are a wish elsewhere, and none here."""
    failed = found.filter(pl.col("column") == "status")
    strange = table.filter(pl.col("status").is_not_null() & ~pl.col("status").is_in(list(wishes)))
    told = strange.select("row", column=pl.lit("status"), kind=pl.lit("unknown"), text="status")
    return told.join(failed, on="row", how="anti")

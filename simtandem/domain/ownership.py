"""The organisations of a SIM as one text, `customer_org_id=42, reseller_org_id=none`. Pure.

A text names only the fields that someone asks about, always in the order of `OwnerField` and separated alike: two
texts about the same fields say the same if they are equal, and null says that nothing is asked.
"""

import re
from collections.abc import Mapping

import polars as pl

from schemas.organisations import NOBODY, OwnerField

_ID = rf"({NOBODY}|[0-9]+)"


def text(values: Mapping[OwnerField, pl.Expr]) -> pl.Expr:
    """One text of these ids; null where all of them are."""
    named = [pl.format(f"{field}={{}}", values[field]) for field in OwnerField if field in values]
    joined = pl.concat_str(named, separator=", ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def part(told: str, field: OwnerField) -> pl.Expr:
    """What the text column `told` says about a field; null where it says nothing."""
    return pl.col(told).str.extract(f"{field}={_ID}")


def changed(before: str, after: str) -> pl.Expr:
    """What the text column `after` says otherwise than `before`, as a text; null where nothing differs."""
    return text(
        {field: pl.when(part(before, field) != part(after, field)).then(part(after, field)) for field in OwnerField}
    )


def parse(told: str | None) -> dict[OwnerField, str]:
    """What a text says, by field."""
    return {OwnerField(name): value for name, value in re.findall(rf"(\w+)={_ID}", told or "")}


def look(table: pl.DataFrame, wished: str, owners: pl.DataFrame | None, name: str) -> pl.DataFrame:
    """`table` with a column `name`: what the fields named in the column `wished` are now, for the SIM in `sim_id`.

    `owners` is a table as in `schemas.tables.Owners`; null where that does not show the SIM, or nothing is wished.
    """
    if owners is None or owners.is_empty() or table[wished].null_count() == table.height:
        return table.with_columns(pl.lit(None, pl.String).alias(name))
    asked = table.select("row", "sim_id", wished).filter(pl.col(wished).is_not_null())
    now = asked.join(owners, on="sim_id", how="inner").select(
        "row",
        text(
            {
                field: pl.when(part(wished, field).is_not_null()).then(pl.col(field).fill_null(NOBODY))
                for field in OwnerField
            }
        ).alias(name),
    )
    return table.join(now, on="row", how="left")


def as_columns(told: str) -> list[pl.Expr]:
    """The columns of an input file that ask for what the text column `told` says."""
    return [part(told, field).alias(field) for field in OwnerField]


def beside_states(results: pl.DataFrame) -> pl.DataFrame:
    """`results` with whose a device should be, was and is in its state columns, behind the statuses, where asked."""
    if not results["owners"].count():
        return results
    both = (("desired", "owners"), ("before", "owners_before"), ("after", "owners_after"))
    return results.with_columns(
        pl.when(pl.col("owners").is_not_null())
        .then(pl.concat_str(state, owners, separator=", ", ignore_nulls=True))
        .otherwise(state)
        .alias(state)
        for state, owners in both
    )

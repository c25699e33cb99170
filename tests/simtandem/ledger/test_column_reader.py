import polars as pl
import pytest
from sqlalchemy import Text, literal, select, union_all

from simtandem.errors import LedgerError
from simtandem.ledger.column_reader import read_columns
from simtandem.ledger.store import Ledger

SCHEMA = pl.Schema({"name": pl.String(), "number": pl.Int64()})


def rows(ledger: Ledger, *values: tuple[str | None, int | None]) -> pl.DataFrame:
    each = union_all(
        *(select(literal(name, Text).label("name"), literal(number).label("number")) for name, number in values)
    )
    with ledger.database.read() as connection:
        return read_columns(connection, select(each.subquery()), SCHEMA)


def test_rows_stay_together_whatever_is_null(ledger: Ledger) -> None:
    given = [("ä", 1), (None, 2), ("c", -3), ("1,5", 10**12)]
    assert sorted(rows(ledger, *given).rows(), key=str) == sorted(given, key=str)
    assert rows(ledger, (None, 1)).rows() == [(None, 1)]


def test_nothing_found_has_the_columns_all_the_same(ledger: Ledger) -> None:
    with ledger.database.read() as connection:
        nothing = select(literal("a").label("name"), literal(1).label("number")).where(literal(1) == 2)
        assert read_columns(connection, nothing, SCHEMA).schema == SCHEMA


def test_a_line_break_can_not_move_values_into_other_rows(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="holds what simtandem didn't write there"):
        rows(ledger, ("a\nb", 1), ("c", 2))

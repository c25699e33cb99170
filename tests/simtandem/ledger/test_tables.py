from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pandera.polars import DataFrameModel
from sqlalchemy import Connection, Table, create_engine, inspect

from schemas.sim_actions import ActionOutcomes, ActionPlan, ActionResults
from schemas.tables import Outcomes, Plan, Rejected, Results, empty
from simtandem.ledger import action_tables, tables
from simtandem.ledger.store import Ledger


def shape(connection: Connection) -> dict[str, object]:
    """All that a database says of the ledger's tables, names of constraints included."""
    inspector = inspect(connection)
    return {
        name: {
            "columns": [{**each, "type": str(each["type"])} for each in inspector.get_columns(name)],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": inspector.get_foreign_keys(name),
            "indexes": inspector.get_indexes(name),
        }
        for name in tables.metadata.tables
    }


def test_migrations_lead_to_the_tables_the_code_speaks_of(ledger: Ledger) -> None:
    with ledger.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_migrations_name_constraints_and_indexes_as_the_code_does(ledger: Ledger, new_url: Callable[[], str]) -> None:
    with ledger.database.read() as connection:
        migrated = shape(connection)
    with closing(Ledger.open(new_url())) as other, other.database.write() as connection:
        tables.metadata.drop_all(connection)
        tables.metadata.create_all(connection)
        assert shape(connection) == migrated


@pytest.mark.parametrize(
    ("table", "schema"),
    [
        (tables.plan_rows, Plan),
        (tables.rejections, Rejected),
        (tables.outcomes, Outcomes),
        (tables.verdicts, Results),
        (action_tables.action_rows, ActionPlan),
        (action_tables.action_outcomes, ActionOutcomes),
        (action_tables.action_verdicts, ActionResults),
    ],
)
def test_tables_have_the_columns_of_what_they_hold(table: Table, schema: type[DataFrameModel]) -> None:
    own = {"run_id", "seq", "at", "turn"}
    assert {column.name for column in table.columns} - own == set(empty(schema).columns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "kept"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, 123_456, tzinfo=UTC), "2026-01-31T23:59:59.123Z"),
        (datetime(2026, 2, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T23:00:00.000Z"),
    ],
)
def test_instants_are_kept_as_utc_text_with_milliseconds(moment: datetime, kept: str) -> None:
    dialect = create_engine("sqlite://").dialect
    assert tables.Instant().process_bind_param(moment, dialect) == kept
    read = tables.Instant().process_result_value(kept, dialect)
    assert read is not None
    assert read.tzinfo is not None
    assert abs(read - moment) < timedelta(milliseconds=1)

"""New ledgers, made at once as all revisions leave them: thousands of tests need one, and few test how it grew.

Each begins with a chance of its own, as every ledger does, so that no two begin alike.
"""

import secrets
from collections.abc import Callable
from dataclasses import asdict, replace

from sqlalchemy import Connection, insert, inspect

from simtandem.host.clock import now
from simtandem.ledger import store
from simtandem.ledger.database import Database
from simtandem.ledger.integrity.head_table import heads
from simtandem.ledger.integrity.heads import LEDGER, Entry
from simtandem.ledger.tables import REVISION, instant_text, metadata

as_the_ledger_does: Callable[[Database], None] = store._bring_up_to_date


def brought_up_to_date(database: Database) -> None:
    """As the ledger does it itself, but a new one is not taken through every revision there was."""
    with database.read() as connection:
        new = _is_new(connection)
    if new:
        with database.write() as connection:
            if _is_new(connection):
                _begin(connection)
    as_the_ledger_does(database)


def _is_new(connection: Connection) -> bool:
    return not inspect(connection).get_table_names()


def _begin(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    _stamp(connection)
    first = Entry("", 1, instant_text(now()), LEDGER, "", "begun", 0, 0, secrets.token_hex(32), "", "")
    values = asdict(replace(first, hash=first.expected_hash))
    connection.execute(insert(heads).values({column.name: values[column.name] for column in heads.columns}))


def _stamp(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{REVISION}')")  # noqa: S608 - our own number

"""Ledgers as earlier versions made them: the tables of a revision, with what today's ledger records of them."""

from contextlib import closing

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, MetaData, insert, inspect, select, text

from simtandem.ledger.database import Database
from simtandem.ledger.tables import REVISION, metadata

_UNKNOWN_KINDS = {"0009": "kind <> 'arrival'"}
"""Rows of `heads` that a revision has none of, although it has the table."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "simtandem.ledger:migrations")
    return config


REVISIONS = [each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]
"""All revisions, oldest first."""
OLDER = [each for each in REVISIONS if each != REVISION]


def has(revision: str, since: str) -> bool:
    """Whether a revision knows what another one introduced."""
    return REVISIONS.index(revision) >= REVISIONS.index(since)


def make_older(newest: str, older: str, revision: str) -> None:
    """Make a ledger of that revision at `older`, of what the one at `newest` has and the revision has columns for."""
    config = _config()
    with closing(Database(older, 5)) as database, database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        with closing(Database(newest, 5)) as source, source.read() as reading:
            _copy(reading, connection, revision)


def _copy(reading: Connection, writing: Connection, revision: str) -> None:
    made: Inspector = inspect(writing)
    kept, there = MetaData(), MetaData()
    kept.reflect(reading)
    there.reflect(writing)
    for name in [each.name for each in metadata.sorted_tables if made.has_table(each.name)]:
        writing.execute(there.tables[name].delete())  # a migration begins the chain of heads
        names = [column["name"] for column in made.get_columns(name) if column["name"] in kept.tables[name].columns]
        query = select(*(kept.tables[name].c[each] for each in names))
        if name == "heads" and revision in _UNKNOWN_KINDS:
            query = query.where(text(_UNKNOWN_KINDS[revision]))
        if rows := [dict(row) for row in reading.execute(query).mappings()]:
            writing.execute(insert(there.tables[name]), rows)
        if writing.dialect.name == "postgresql" and "seq" in names:
            place = f"pg_get_serial_sequence('{name}', 'seq')"
            writing.execute(text(f"SELECT setval({place}, (SELECT max(seq) FROM {name}))"))  # noqa: S608 - our own names

"""Bring a ledger up to the newest revision, in one transaction, one program at a time."""

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import func, select

from simtandem.errors import LedgerError
from simtandem.ledger.database import Database

_LOCK = 0x51_4D_7A_4E
"""Any number, as long as every program that upgrades a ledger uses the same."""


def upgrade(database: Database) -> None:
    """Apply the revisions that are missing: all of them, or none if one fails.

    The second one waits for the first and then finds nothing to do. Raises `LedgerError` where the ledger is of a
    newer revision than this program knows.
    """
    config = Config()
    config.set_main_option("script_location", "simtandem.ledger:migrations")
    with database.write() as connection:  # on SQLite, beginning to write is the lock
        if database.is_postgres:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise LedgerError(
                f"The ledger {database.place} was written by a newer version of simtandem. "
                "Use that version, or another ledger."
            ) from error

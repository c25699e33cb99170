"""A Prefect database that is migrated already: a new home begins with a copy of it instead of an empty one.

Migrating an empty database takes most of the time in which the first server of a home boots. `python -m` this module
makes the template once for an installation, beside its packages and under Prefect's version; without one, Prefect
migrates as ever. It holds the tables and Prefect's own block types: nothing of any home, and no encryption key.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from simtandem.host.atomic_file import replacing
from simtandem.host.installation import is_safe, kept_folder

DATABASE, _MEMO = "prefect.db", "memo_store.toml"
_KEPT = {"alembic_version", "block_type", "block_schema", "block_schema_reference"}
"""Tables whose rows the template keeps."""


def template_folder() -> Path:
    """Where the template of this installation is, or would be."""
    return kept_folder(f"prefect-{version('prefect')}")


def begin_with_template(home: Path, template: Path | None = None) -> bool:
    """Give a Prefect home without a database the template's. Whether its database needs no migration now.

    A template that others than the installation's owner may write to is left alone. Raises `OSError` where the copy
    can't be written.
    """
    source = template or template_folder()
    if not is_safe(source / DATABASE):
        return False
    database = home / DATABASE
    if not database.exists():
        for name in (_MEMO, DATABASE):  # the database last: with it, the copy is complete
            with (source / name).open("rb") as original, replacing(home / name, private=True) as copy:
                shutil.copyfileobj(original, copy)
    return (head := _revision(database)) is not None and head == _revision(source / DATABASE)


def make_template(folder: Path | None = None) -> Path:
    """Start a Prefect server in an empty home, keep its database less what is the server's own; returns the folder."""
    from simtandem.prefect_server.embedded_server import EmbeddedServer

    target = folder or template_folder()

    async def migrate(home: Path) -> None:
        server = EmbeddedServer(home)
        await server.attach()
        await server.ready()
        server.let_go()
        if server.child is not None:
            await asyncio.to_thread(server.child.wait)

    with tempfile.TemporaryDirectory(prefix="simtandem-") as place:
        home = Path(place).resolve() / "prefect"
        asyncio.run(migrate(home))
        _strip(home / DATABASE)
        target.mkdir(parents=True, exist_ok=True)
        for name in (_MEMO, DATABASE):
            with replacing(target / name) as file:
                file.write((home / name).read_bytes())
            (target / name).chmod(0o644)
    return target


def _strip(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table not in _KEPT and not table.startswith("sqlite_"):
                connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name out of the schema
        connection.execute("PRAGMA journal_mode = DELETE")  # everything in one file
        connection.execute("VACUUM")


def _revision(database: Path) -> str | None:
    """Up to which migration that database is; None where that can't be read."""
    with contextlib.suppress(sqlite3.Error, OSError), _reading(database) as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return str(rows[0][0]) if len(rows) == 1 else None
    return None


@contextlib.contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


if __name__ == "__main__":
    make_template()

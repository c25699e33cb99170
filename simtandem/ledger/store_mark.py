"""Whether a store is the one that has this ledger's files: a file in it, the mark, says what the ledger is called.

A share that is not mounted is an empty folder, or none, and a run would begin another store there, on one host alone.
So the store gets the mark with its first use, the ledger records that it has, and from then on nothing else is taken
for it. Ledgers that recorded files before there were marks know their store by the oldest of them.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, text

from simtandem.errors import StoreError
from simtandem.host import clock
from simtandem.ledger.database import Database
from simtandem.ledger.file_tables import run_files, store_marks
from simtandem.ledger.integrity.heads import ledger_of
from simtandem.ledger.object_store import ObjectStore
from simtandem.ledger.tables import instant_text

_OLDEST = 20
_AT_ONCE = 1000


def require(database: Database, store: ObjectStore) -> None:
    """Raise `StoreError` where the files of this ledger are elsewhere; it says what to do."""
    _require(database.reading(_known), store)


def require_marked(database: Database, store: ObjectStore) -> None:
    """As `require`, and a store that is used for the first time gets the mark. Its folder is made."""
    known = database.reading(_known)
    if known.marked:
        _require(known, store)
        return
    with database.write() as connection:
        if database.is_postgres:  # SQLite has one writer at a time
            connection.execute(text("LOCK TABLE store_marks IN SHARE ROW EXCLUSIVE MODE"))
        known = _known(connection)
        _require(known, store)
        if not known.marked:
            store.put_mark(known.ledger)
            connection.execute(insert(store_marks).values(ledger=known.ledger, marked_at=instant_text(clock.now())))


def problem(database: Database, store: ObjectStore) -> str:
    """Why a store is not the one with this ledger's files; empty where it is, or none was used yet."""
    return _problem(database.reading(_known), store)


@dataclass(frozen=True, slots=True)
class Missing:
    """How many files of how many runs the ledger has in a store, and how many of them are not in this one."""

    files: int
    runs: int
    missing: int


def missing(database: Database, store: ObjectStore) -> Missing:
    """Look for every file that a run is recorded to have in the store, by name and size."""
    query = select(run_files.c.run_id, run_files.c.sha256, run_files.c.bytes).order_by(run_files.c.seq)

    def attempt(connection: Connection) -> Missing:
        runs: set[str] = set()
        files = gone = 0
        for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            runs.add(row.run_id)
            files += 1
            gone += bool(store.problem(row.sha256, row.bytes, read=False))
        return Missing(files, len(runs), gone)

    return database.reading(attempt)


def accept(database: Database, store: ObjectStore) -> None:
    """Take a store for this ledger's from now on: it gets the mark, also where it is empty.

    Raises `StoreError` where it has the files of another ledger.
    """
    known = database.reading(_known)
    if store.mark() not in (None, known.ledger):
        raise StoreError(
            f"The store of the runs' files, {store.place}, {_problem(known, store)}. Nothing was changed.\n"
            "Each ledger needs a store of its own: name another place in SIMTANDEM_STORE."
        )
    store.put_mark(known.ledger)
    with database.write() as connection:
        if not _known(connection).marked:
            connection.execute(insert(store_marks).values(ledger=known.ledger, marked_at=instant_text(clock.now())))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger has of its store: what it is called there, if it is, and some files, by SHA-256 and size."""

    ledger: str
    marked: bool
    files: list[tuple[str, int]]


def _known(connection: Connection) -> _Known:
    name = ledger_of(connection)
    marked = connection.scalar(select(store_marks.c.ledger).where(store_marks.c.ledger == name)) is not None
    oldest = select(run_files.c.sha256, run_files.c.bytes).order_by(run_files.c.seq).limit(_OLDEST)
    return _Known(name, marked, [] if marked else [(row.sha256, row.bytes) for row in connection.execute(oldest)])


def _require(known: _Known, store: ObjectStore) -> None:
    if why := _problem(known, store):
        raise StoreError(f"The store of the runs' files, {store.place}, {why}.\n{_remedy(known)}")


def _problem(known: _Known, store: ObjectStore) -> str:
    mark = store.mark()
    if mark == known.ledger:
        return ""
    if mark is not None:
        return f"has the files of another ledger, {mark or 'without a name'}; this one is {known.ledger}"
    unknown = known.marked or (
        known.files and all(store.problem(digest, size, read=False) for digest, size in known.files)
    )
    return "is not the one with this ledger's files: it is not mounted, or was emptied" if unknown else ""


def _remedy(known: _Known) -> str:
    return (
        "Mount it on this host, or correct SIMTANDEM_STORE; then run the command again. Where it is meant to be the "
        f"store of this ledger from now on, {known.ledger}: simtandem doctor --accept-store."
    )

"""A run's files where every host finds them: its folder is copied to the store, and made again from there.

The folder in `runs/` of the home is where a run works. Before anything is sent, and when the run has its report, what
is new in it is put into the store (`simtandem.ledger.object_store`) and recorded in the ledger. Without a store the
files stay in the home, and runs are of one host. A store that is not this ledger's (`simtandem.ledger.store_mark`) is
as one that is away.
"""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from simtandem import progress
from simtandem.errors import LedgerError, StoreError
from simtandem.ledger import run_files, store_mark
from simtandem.ledger.object_store import ObjectStore, digest_of
from simtandem.ledger.run_files import KeptFile
from simtandem.ledger.store import Ledger
from simtandem.runs.run_folder import RunFolder
from simtandem.settings import Settings

log = logging.getLogger(__name__)

_UNSHARED = "unshared"
_SURELY_OLD_S = 86_400.0
_AT_ONCE = 100


def store_of(settings: Settings) -> ObjectStore | None:
    """The store; None where there is none. Raises `InputError` and `StoreError`."""
    return None if settings.store is None else ObjectStore(settings.store)


def share(settings: Settings, ledger: Ledger, folder: RunFolder) -> None:
    """Put what is new in a run's folder into the store. Raises `StoreError`, before anything is sent."""
    store = store_of(settings)
    if store is None:
        return
    try:
        _share(store, ledger, folder)
    except StoreError as error:
        what, _, remedy = str(error).partition("\n")
        raise StoreError(f"{what}\nNothing was sent. {remedy or StoreError.remedy}") from error


def share_or_keep(settings: Settings, ledger: Ledger, folder: RunFolder) -> None:
    """As `share`, for a run that has sent: where the store is away, the files are kept here and put there later."""
    try:
        store = store_of(settings)
        if store is not None:
            _share(store, ledger, folder)
    except LedgerError as error:
        note = settings.home / _UNSHARED / folder.path.name
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        progress.current().message(
            f"{error} The run's files are kept in {folder.path} and get there with the next run of this host."
        )


def catch_up(settings: Settings, ledger: Ledger) -> None:
    """Put into the store what could not be put there when its run ended. What still can't be is left for later."""
    notes = settings.home / _UNSHARED
    if settings.store is None or not notes.is_dir():
        return
    try:
        store = ObjectStore(settings.store)
        for note in sorted(notes.iterdir()):
            _share(store, ledger, RunFolder(settings.runs_folder / note.name))
            note.unlink(missing_ok=True)
    except LedgerError as error:
        log.info("Files of earlier runs stay in this home for now: %s", error)


def brought(settings: Settings, ledger: Ledger, run_id: str, names: Collection[str] = ()) -> RunFolder:
    """The folder of a run, with what is missing there from the store: all of it, or these names.

    Raises `StoreError` where something is missing there as well, or is not what the run put there.
    """
    folder = RunFolder(settings.runs_folder / run_id)
    kept = run_files.kept(ledger, run_id)
    missing = [
        (each, place)
        for each in kept.values()
        if (not names or each.name in names) and not (place := _place(folder, each.name)).exists()
    ]
    store = store_of(settings) if missing else None
    if store is not None:
        store_mark.require(ledger.database, store)
    for each, place in missing if store else []:
        try:
            store.fetch(each.sha256, each.size, place)  # type: ignore[union-attr]  # there is a store in this block
        except StoreError as error:
            raise StoreError(f"{each.name} of run {run_id}: {error}") from error
    return folder


def restore(settings: Settings, ledger: Ledger, run_id: str) -> list[str]:
    """Put what is missing or was changed in the store there again, where this home has it as recorded; the names."""
    store, folder = store_of(settings), RunFolder(settings.runs_folder / run_id)
    restored: list[str] = []
    if store is not None:
        store_mark.require_marked(ledger.database, store)
    for each in run_files.kept(ledger, run_id).values() if store else []:
        path = _place(folder, each.name)
        if not path.is_file() or path.is_symlink() or _described(folder, path) != each:
            continue
        if store.problem(each.sha256, each.size, read=True):  # type: ignore[union-attr]  # there is one in this block
            store.put(path, each.sha256, anew=True)  # type: ignore[union-attr]
            restored.append(each.name)
    return restored


def remove_unreferenced(settings: Settings, ledger: Ledger) -> int:
    """Remove what is in the store and no run refers to any more, or never did; how many files that were.

    What is younger than a day stays: a host may be about to refer to it.
    """
    store = store_of(settings)
    if store is None:
        return 0
    store_mark.require(ledger.database, store)
    removed, old = 0, list(store.older_than(_SURELY_OLD_S))
    for start in range(0, len(old), _AT_ONCE):
        with run_files.nobody_refers_to(ledger.database, old[start : start + _AT_ONCE]) as free:
            for digest in sorted(free):
                store.remove(digest)
            removed += len(free)
    store.remove_drafts(_SURELY_OLD_S)
    return removed


def _share(store: ObjectStore, ledger: Ledger, folder: RunFolder) -> None:
    store_mark.require_marked(ledger.database, store)
    run_id = folder.path.name
    known = run_files.kept(ledger, run_id)
    found = {each: _described(folder, each) for each in _files(folder.path)}
    new = {path: each for path, each in found.items() if known.get(each.name) != each}
    for path, each in new.items():
        store.put(path, each.sha256)
    if new:
        run_files.record(ledger, run_id, list(new.values()))
    for path, each in new.items():  # a pruning may have removed one that nothing referred to until now
        store.put(path, each.sha256)


def _files(folder: Path) -> Iterator[Path]:
    """The files of a run that are whole, in one order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix not in (".partial", ".tmp"):
            yield path


def _described(folder: RunFolder, path: Path) -> KeptFile:
    try:
        return KeptFile(path.relative_to(folder.path).as_posix(), digest_of(path), path.stat().st_size)
    except OSError as error:
        raise LedgerError(f"The run's file {path} can't be read ({error.strerror}).") from error


def _place(folder: RunFolder, name: str) -> Path:
    """Where a file of that name belongs. Raises `StoreError` where that is outside the run's folder."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or not name.isprintable():
        raise StoreError(f"The ledger names a file outside the folder of run {folder.path.name}. It is not used.")
    return folder.path.joinpath(*parts)

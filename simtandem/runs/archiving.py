"""A run's archive where every host finds it: in the home that made it and, where there is one, in the store.

It is in the store before the details leave the ledger. Nothing of the run refers to it there but the note of its
pruning, which holds its SHA-256.
"""

from pathlib import Path

from simtandem.errors import InputError, StoreError
from simtandem.host.user_name import user_name
from simtandem.ledger import store_mark
from simtandem.ledger.integrity.archive import archive_hash, archive_name
from simtandem.ledger.integrity.proof import Finding, Proof
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.object_store import ObjectStore
from simtandem.ledger.records import PruningRecord
from simtandem.ledger.store import Ledger
from simtandem.runs.shared_files import store_of
from simtandem.settings import Settings

_CHANGED = "was changed: its SHA-256 isn't the one recorded when it was made"


def archive_run(settings: Settings, ledger: Ledger, run_id: str) -> None:
    """Archive a run and take its details out of the ledger, see `prune_run`.

    Raises `LedgerError`, also where there is a store and the archive can't be put there; then nothing is taken.
    """
    store = store_of(settings)
    if store is None:
        prune_run(ledger, run_id, settings.archive_folder, user_name())
        return
    store_mark.require_marked(ledger.database, store)
    _bring(settings, ledger, store, run_id)
    prune_run(ledger, run_id, settings.archive_folder, user_name(), keep=store.put)


def restore_archive(settings: Settings, ledger: Ledger, run_id: str) -> str:
    """Put a pruned run's archive into the store where it is missing or was changed there, and is here as it was made.

    Returns its name; empty where nothing was to be put there. Raises `StoreError`.
    """
    pruned, store = ledger.pruning(run_id), store_of(settings)
    if pruned is None or store is None:
        return ""
    path = settings.archive_folder / pruned.archive
    if not _is_as_made(path, pruned) or not store.problem(pruned.archive_sha256, path.stat().st_size, read=True):
        return ""
    store.put(path, pruned.archive_sha256, anew=True)
    return pruned.archive


def look_at_archive(settings: Settings, ledger: Ledger, proof: Proof, *, read: bool) -> str:
    """Add what is wrong with the archive of a pruned run, here or in the store; returns a note of where it is.

    What is in the store alone is read only with `read`.
    """
    pruned = ledger.pruning(proof.run_id)
    if pruned is None:
        return ""
    problem: str | None
    path, sha256 = settings.archive_folder / pruned.archive, pruned.archive_sha256
    if path.exists():
        place, problem = str(path), "" if _is_as_made(path, pruned) else _CHANGED
        note = f"head kept, archive {path} is as it was made"
    else:
        place, problem = pruned.archive, _problem_in_store(settings, ledger, sha256, read=read)
        note = f"head kept, archive {pruned.archive} is in the store under its SHA-256, {sha256}"
    if problem is None:
        elsewhere = f"it was made where {pruned.os_user} pruned the run, and has SHA-256 {sha256}"
        return f"head kept, archive {pruned.archive} is not in {settings.archive_folder}; {elsewhere}"
    if problem:
        proof.add([Finding("archive", place, problem)])
        return ""
    return note


def _is_as_made(path: Path, pruned: PruningRecord) -> bool:
    return path.exists() and archive_hash(path) == pruned.archive_sha256


def _problem_in_store(settings: Settings, ledger: Ledger, sha256: str, *, read: bool) -> str | None:
    """What is wrong with an archive in the store; None where none is there, or the store can't be used."""
    try:
        store = store_of(settings)
        if store is None or store_mark.problem(ledger.database, store):
            return None
        problem = store.problem(sha256, None, read=read)
    except (StoreError, InputError):
        return None
    return None if problem == ObjectStore.MISSING else problem


def _bring(settings: Settings, ledger: Ledger, store: ObjectStore, run_id: str) -> None:
    """Have the archive here of a pruning that another host began, as far as the store has it."""
    begun, path = ledger.pruning(run_id), settings.archive_folder / archive_name(run_id)
    if begun is not None and not path.exists() and not store.problem(begun.archive_sha256, None, read=False):
        store.fetch(begun.archive_sha256, None, path)

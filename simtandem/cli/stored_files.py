"""What `simtandem verify` finds of a run's files in the store, and what `simtandem doctor` asks about a new one."""

import asyncio
from collections.abc import Sequence

from simtandem.cli.typed_line import answered_yes
from simtandem.errors import InputError, StoreError
from simtandem.ledger import run_files, store_mark
from simtandem.ledger.integrity.proof import Finding, Proof, printable
from simtandem.ledger.object_store import ObjectStore
from simtandem.ledger.store import Ledger
from simtandem.runs.archiving import restore_archive
from simtandem.runs.shared_files import brought, restore, store_of
from simtandem.settings import Settings, load_home
from simtandem.text.formats import of
from simtandem.text.terminal import messages, results

HEADS = ("work/document.json", "report.html")
"""The files of a run that remember the head of its chain."""


def look_at_files(ledger: Ledger, settings: Settings, proof: Proof, *, read: bool) -> str:
    """Add what is wrong with a run's files in the store; returns a note where they can't be looked at.

    With `read` each is read and compared with its SHA-256, otherwise only its presence and its size are.
    """
    kept = run_files.kept(ledger, proof.run_id)
    if not kept:
        return ""
    try:
        store = store_of(settings)
        if store is None:
            return f"its {len(kept)} files are in a store, and SIMTANDEM_STORE names none here"
        if alien := store_mark.problem(ledger.database, store):
            proof.add([Finding("store", store.place, alien)])
            return ""
        found = {each.name: store.problem(each.sha256, each.size, read=read) for each in kept.values()}
    except (StoreError, InputError) as error:
        return str(error).partition("\n")[0]
    proof.add([Finding("stored file", name, problem) for name, problem in found.items() if problem])
    return ""


def looked_at(ledger: Ledger, settings: Settings, *, read: bool) -> str:
    """What was looked at of the files of all runs in the store; empty where there are none."""
    count = run_files.count(ledger)
    if not count:
        return ""
    files = of(count, "stored file")
    try:
        if (store := store_of(settings)) is None:
            return f"{files}: not looked at, as SIMTANDEM_STORE names no store here"
        store_mark.problem(ledger.database, store)
    except (StoreError, InputError) as error:
        first = str(error).partition("\n")[0]
        return f"{files}: not looked at. {first}"
    return f"{files}: {'read and compared' if read else 'presence and size were looked at; --contents reads them'}"


def accept_store(*, as_json: bool) -> int:
    """Ask whether the place in SIMTANDEM_STORE is the ledger's store from now on. Returns the exit code."""
    settings = load_home()
    store = store_of(settings)
    if store is None:
        raise InputError("SIMTANDEM_STORE names no store, so none can be accepted. Nothing was changed.")
    if as_json:
        raise InputError("--accept-store asks a question, and --json none. Nothing was changed.")
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        if not (why := store_mark.problem(ledger.database, store)):
            results().print(f"{store.place} is the store of this ledger already.", markup=False, soft_wrap=True)
            return 0
        results().print(f"{store.place} {why}.\n{_lost(ledger, store)}", markup=False, soft_wrap=True)
        results().print("Take it for the store of this ledger from now on, on all hosts? [y/N] ", end="", markup=False)
        if not asyncio.run(answered_yes()):
            results().print("Nothing was changed.")
            return 1
        store_mark.accept(ledger.database, store)
    told = "It is. On each host that has files of its runs: simtandem verify RUN --restore."
    results().print(told, markup=False, soft_wrap=True)
    return 0


def _lost(ledger: Ledger, store: ObjectStore) -> str:
    found = store_mark.missing(ledger.database, store)
    return (
        f"The ledger has {of(found.files, 'file')} of {of(found.runs, 'run')} in a store; {found.missing:,} of them "
        "are not there: the lists that were read, "
        "results and reports. What no host has in its home is lost. Nothing of the record is: simtandem report RUN "
        "writes a report from it.\nIf the right store is only not mounted on this host, answer no."
    )


def restore_files(ledger: Ledger, settings: Settings, run_ids: Sequence[str]) -> None:
    """Put the files of these runs that are broken in the store there again, and say which. Raises `StoreError`."""
    if run_ids and settings.store is None:
        raise InputError("--restore puts files into the store, and SIMTANDEM_STORE names none. Nothing was changed.")
    for run_id in run_ids:
        for name in filter(None, [*restore(settings, ledger, run_id), restore_archive(settings, ledger, run_id)]):
            told = f"Put into the store again: {printable(name)} of run {run_id}"
            messages().print(told, markup=False, soft_wrap=True)


def bring_heads(ledger: Ledger, settings: Settings, run_id: str) -> None:
    """Have a run's files here that remember its head, as far as the store has them."""
    for name in HEADS:
        try:
            brought(settings, ledger, run_id, [name])
        except (StoreError, InputError):  # `look_at_files` says why
            continue

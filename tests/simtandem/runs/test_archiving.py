"""Two homes, one ledger, one store: what one home archives is found and proved from the other."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from simtandem.errors import LedgerError, StoreError
from simtandem.ledger import store_mark
from simtandem.ledger.integrity import prune
from simtandem.ledger.integrity.archive import archive_name
from simtandem.ledger.integrity.proof import Proof, Standing
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.object_store import MARK, ObjectStore
from simtandem.ledger.store import Ledger
from simtandem.runs.archiving import archive_run, look_at_archive, restore_archive
from simtandem.runs.shared_files import remove_unreferenced
from simtandem.settings import Settings
from tests.simtandem.ledger.conftest import (
    a_run,
    clock,
    ledger,
    new_schema,
    new_url,
    plan,
    postgres_server,
    rejected,
    results,
    url,
    whole_run,
)

__all__ = ["a_run", "clock", "ledger", "new_schema", "new_url", "plan", "postgres_server", "rejected", "results"]
__all__ += ["url", "whole_run"]

RUN = "another"
LONG_AGO = time.time() - 3 * 86_400


@dataclass
class Hosts:
    """Homes `one` and `other`, and the store and the ledger that both use."""

    one: Settings
    other: Settings
    store: Path
    ledger: Ledger

    def stored(self) -> list[Path]:
        return [path for path in self.store.rglob("*") if path.is_file() and path.name != MARK]

    def proof(self) -> Proof:
        with self.ledger.database.snapshot() as connection:
            return verify_chain(RUN, Recorded(connection, RUN))

    def seen_by(self, settings: Settings, *, read: bool = True) -> tuple[str, list[str]]:
        """The note that `verify` shows there, and what it finds wrong."""
        proof = self.proof()
        note = look_at_archive(settings, self.ledger, proof, read=read)
        return note, [str(each) for each in proof.findings]


@pytest.fixture
def hosts(tmp_path: Path, whole_run: Ledger) -> Hosts:
    store = tmp_path / "store"
    one, other = (Settings(home=tmp_path / name, store=f"file://{store}") for name in ("one", "other"))
    store_mark.accept(whole_run.database, ObjectStore(f"file://{store}"))
    return Hosts(one, other, store, whole_run)


def test_an_archive_is_found_and_proved_from_a_host_that_did_not_make_it(hosts: Hosts) -> None:
    archive_run(hosts.one, hosts.ledger, RUN)
    (stored,) = hosts.stored()
    assert stored.read_bytes() == (hosts.one.archive_folder / archive_name(RUN)).read_bytes()
    assert hosts.proof().standing is Standing.PRUNED
    assert "is as it was made" in hosts.seen_by(hosts.one)[0]
    note, wrong = hosts.seen_by(hosts.other)
    assert "another.jsonl.gz is in the store under its SHA-256" in note
    assert not wrong
    without = hosts.other.model_copy(update={"store": None})
    assert "is not in" in hosts.seen_by(without)[0]


def test_what_nobody_refers_to_is_removed_from_the_store_and_an_archive_stays(hosts: Hosts) -> None:
    archive_run(hosts.one, hosts.ledger, RUN)
    (stored,) = hosts.stored()
    stray = hosts.store / "sha256" / "ab" / ("c" * 62)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"of a host that was killed")
    for each in (stored, stray):
        os.utime(each, (LONG_AGO, LONG_AGO))
    assert remove_unreferenced(hosts.other, hosts.ledger) == 1
    assert hosts.stored() == [stored]


def test_a_store_that_is_away_keeps_the_details_in_the_ledger(hosts: Hosts) -> None:
    away = hosts.one.model_copy(update={"store": "file:///proc/no-such-store"})
    with pytest.raises(StoreError):
        archive_run(away, hosts.ledger, RUN)
    assert hosts.proof().standing is Standing.UNTOUCHED
    assert hosts.ledger.pruning(RUN) is None


def test_a_pruning_that_another_host_began_is_ended_with_its_archive_from_the_store(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(prune, "_take", _killed)
        with pytest.raises(KeyboardInterrupt):
            archive_run(hosts.one, hosts.ledger, RUN)
    (hosts.one.archive_folder / archive_name(RUN)).unlink()  # that host is gone
    archive_run(hosts.other, hosts.ledger, RUN)
    assert hosts.proof().standing is Standing.PRUNED
    assert "is as it was made" in hosts.seen_by(hosts.other)[0]
    with pytest.raises(LedgerError, match="was pruned already"):
        archive_run(hosts.other, hosts.ledger, RUN)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_archive_that_was_changed_in_the_store_is_a_finding(hosts: Hosts) -> None:
    archive_run(hosts.one, hosts.ledger, RUN)
    (stored,) = hosts.stored()
    stored.write_bytes(stored.read_bytes()[:-9])
    note, wrong = hosts.seen_by(hosts.other)
    assert note == ""
    assert len(wrong) == 1
    assert "was changed in the store" in wrong[0]
    assert not restore_archive(hosts.other, hosts.ledger, RUN), "that home has none"
    assert restore_archive(hosts.one, hosts.ledger, RUN) == archive_name(RUN)
    assert not restore_archive(hosts.one, hosts.ledger, RUN)
    assert not hosts.seen_by(hosts.other)[1]

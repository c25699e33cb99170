"""A look that would do nothing is known beforehand; one that would do or report anything is made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from simtandem.inbox.pickup import Inbox
from simtandem.inbox.quiet_look import nothing_to_do
from simtandem.inbox.storage import Store
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import look_in
from tests.simtandem.inbox.conftest import Clock, Drop

Sim = Callable[[int], str]


def quiet(settings: Settings, ledger: Ledger) -> bool:
    return Inbox(Store(settings.inbox_url), Schedules(ledger), settings).is_quiet()


def test_an_inbox_with_nothing_new_and_nothing_due_is_quiet(settings: Settings, ledger: Ledger, inbox: Path) -> None:
    (inbox / "notes.txt").write_text("no list")
    assert quiet(settings, ledger)


@pytest.mark.parametrize("makes", [Path.touch, Path.mkdir], ids=["a file", "a folder, which a look reports"])
def test_something_new_is_not(settings: Settings, ledger: Ledger, inbox: Path, makes: Callable[[Path], None]) -> None:
    makes(inbox / "new.csv")
    if (inbox / "new.csv").is_file():
        (inbox / "new.csv").write_text("iccid\n1\n")
    assert not quiet(settings, ledger)


def test_what_is_due_later_is_quiet_until_then_and_again_when_it_is_put_away(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim, clock: Clock
) -> None:
    drop("later.csv", f"{sim(11)},activated,2026-12-05 12:00", header="iccid,status,effective_at")
    assert look_in(settings, ledger) == []
    assert quiet(settings, ledger)
    clock.advance(days=2)
    assert not quiet(settings, ledger)
    assert look_in(settings, ledger) == ["applied"]
    assert quiet(settings, ledger)


def test_a_file_that_a_killed_look_has_taken_and_not_moved_is_not_quiet(
    settings: Settings, ledger: Ledger, drop: Drop, sim: Sim
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def die(step: str) -> None:
        if step == "results laid":
            raise Killed

    drop("bad.csv", "12,activated")
    with pytest.raises(Killed):
        Inbox(Store(settings.inbox_url), Schedules(ledger), settings, sleep=lambda _: None, reached=die).take_new()
    (Path(settings.inbox_url) / "bad.csv").unlink(missing_ok=True)
    assert not quiet(settings, ledger)


def test_the_inboxes_of_all_accounts_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text(
        '[accounts.north]\ncarrier = "emnify"\n[accounts.south]\ncarrier = "emnify"\n'
    )
    (tmp_path / "settings.toml").chmod(0o600)
    assert nothing_to_do()
    south = tmp_path / "inbox" / "south"
    (south / "list.csv").write_text("iccid\n1\n")
    assert not nothing_to_do()
    assert nothing_to_do("north")
    (south / "list.csv").rename(tmp_path / "inbox" / "list.csv")
    assert not nothing_to_do(), "a file for no account is reported"

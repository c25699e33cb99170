"""How a look at the inbox ends; that it takes and applies files is shown in tests/flows/test_scheduled_updates.py."""

from contextlib import ExitStack
from pathlib import Path

from simtandem.inbox.pickup import open_inbox
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tasks.inbox import Desk, desk_state


def test_a_look_that_takes_nothing_names_what_it_can_not_take_and_nobody_is_notified(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (Path(settings.inbox_url) / "folder.csv").mkdir(parents=True)
    with Ledger.open(settings.ledger()) as ledger, ExitStack() as stack:
        schedules = Schedules(ledger)
        desk = Desk(open_inbox(settings, schedules), schedules, stack, settings)
        assert desk.take(None) == []
        state = desk_state(desk)
    assert (state.name, state.message) == ("Nothing due", "Nothing new, nothing due; not taken: folder.csv (a folder)")

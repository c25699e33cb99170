"""One look into an inbox, as Prefect carries it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import load
from tests.simtandem.inbox.acting import tree

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("prefect_client", "leftovers_of_prefect"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # Prefect's client leaves sockets to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FIRST = 10_000_001


def fill(inbox: Path) -> Path:
    """One file with a bad row, one beyond the safety limits, one for later."""
    inbox.mkdir(parents=True)
    much = "".join(f"{FIRST + number},suspended\n" for number in range(40))
    (inbox / "on.csv").write_text(f"sim_id,status\n{FIRST + 40},activated\nx,activated\n{FIRST + 41},activated\n")
    (inbox / "too-much.csv").write_text(f"sim_id,status\n{much}")
    (inbox / "later.csv").write_text(f"sim_id,status,effective_at\n{FIRST},suspended,2027-01-01\n")
    return inbox


async def look() -> "State[Any]":
    from flows.scheduled_updates import scheduled_updates  # noqa: PLC0415 - Prefect takes seconds to import

    state: State[Any] = await scheduled_updates(return_state=True)
    return state


async def test_files_are_taken_applied_refused_and_put_away_and_then_there_is_nothing_to_do(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_INBOX_SETTLE_S", "0")
    emulator.refill([Group(40, SimStatus.ACTIVATED, EndpointStatus.ENABLED), Group(2)])
    inbox = fill(load().home / "inbox")
    state = await look()
    assert state.is_failed()
    assert "3 files taken" in (state.message or "")
    assert "on.csv: applied" in (state.message or "")
    assert "too-much.csv: refused" in (state.message or "")
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 42}
    assert [name for name in tree(inbox) if not name.startswith("taken/")] == [
        *(f"processed/on.{what}" for what in ("csv", "invalid.csv", "report.html", "results.csv")),
        *(f"refused/too-much.{what}" for what in ("csv", "reason.txt", "results.csv")),
    ]
    assert "SIMs would be suspended" in (inbox / "refused" / "too-much.reason.txt").read_text()
    verdicts = pl.read_csv(inbox / "processed" / "on.results.csv", infer_schema=False)["verdict"].to_list()
    assert verdicts == ["in_sync", "invalid", "in_sync"]
    ledger = Ledger.open(load().ledger())
    assert [str(each.state) for each in Schedules(ledger).all(open_only=False)].count("scheduled") == 1
    calls = emulator.stats()
    again = await look()
    assert (again.name, again.message) == ("Nothing due", "Nothing new, nothing due.")
    assert emulator.stats() == calls
    ledger.close()

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
    assert (state.is_failed(), state.name) == (True, "Rows invalid or refused")
    said = state.message or ""
    assert "3 files taken" in said
    assert "on.csv: 1 of 3 rows is invalid, the first: row 3, sim_id 'x'" in said
    assert "on.csv: applied, 2 in sync" in said
    assert "too-much.csv: refused, nothing was sent: emnify: 40 of 42" in said
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


async def test_a_refused_token_is_tried_once_in_a_look_and_the_files_wait_until_it_works(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_INBOX_SETTLE_S", "0")
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", "revoked")
    emulator.refill([Group(4)])
    inbox = load().home / "inbox"
    inbox.mkdir(parents=True)
    for number in range(4):
        (inbox / f"{number}.csv").write_text(f"sim_id,status\n{FIRST + number},activated\n")
    state = await look()
    assert (state.is_failed(), state.name) == (True, "Token refused")
    assert "4 files wait, nothing is lost: 0.csv, 1.csv, 2.csv, 3.csv." in (state.message or "")
    assert "AuthenticationFailed" not in (state.message or "")
    logins = [line for line in emulator.stats(log=True)["log"] if "/authenticate" in str(line)]
    assert len(logins) == 1
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", emulator.token)
    state = await look()
    assert state.is_completed(), state.message
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 4}
    assert sorted(path.name for path in (inbox / "processed").glob("?.csv")) == [f"{n}.csv" for n in range(4)]


async def test_the_carrier_says_which_rows_by_different_ids_are_one_device(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_INBOX_SETTLE_S", "0")
    emulator.refill([Group(2)])
    inbox = load().home / "inbox"
    inbox.mkdir(parents=True)
    endpoint = 20_000_001
    (inbox / "on.csv").write_text(f"sim_id,status\n{FIRST},activated\n{FIRST + 1},activated\n")
    (inbox / "off.csv").write_text(f"endpoint_id,status\n{endpoint},suspended\n")
    state = await look()
    assert state.name == "Rows not carried out"
    assert "off.csv: 1 row not carried out, the first: row 2 asks for suspended, but on.csv row 2" in (
        state.message or ""
    )
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 1, "Issued/Disabled": 1}

"""One look into an inbox, as Prefect carries it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from schemas.parameters import Wish
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.iot_accelerator.server import (
    PASSWORD,
    USERNAME,
    IotAcceleratorEmulator,
    SubscriptionGroup,
)
from simtandem.emulator.iot_accelerator.server import (
    State as IotState,
)
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


async def look(to: str = "as in the file", *, urgent: bool = False) -> "State[Any]":
    from flows.scheduled_updates import scheduled_updates  # noqa: PLC0415 - Prefect takes seconds to import

    state: State[Any] = await scheduled_updates(to=Wish(to), urgent=urgent, return_state=True)
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


async def test_urgent_files_go_first_and_wait_for_no_other_look(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_INBOX_SETTLE_S", "0")
    emulator.refill([Group(3)])
    inbox = load().home / "inbox"
    for name, number in (("a.csv", 0), ("urgent/z.csv", 1)):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_text(f"sim_id,status\n{FIRST + number},activated\n")
    state = await look()
    assert state.is_completed(), state.message
    assert (state.message or "").index("z.csv: applied") < (state.message or "").index("a.csv: applied")
    with Ledger.open(load().ledger()) as ledger, Schedules(ledger).alone("due"):  # as a look that carries out its files
        for name in ("b.csv", "urgent/y.csv"):
            (inbox / name).write_text(f"sim_id,status\n{FIRST + 2},activated\n")
        state = await look(urgent=True)
        assert (state.is_completed(), "y.csv: applied" in (state.message or "")) == (True, True), state.message
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 3}
    placed = [name for name in tree(inbox) if name.endswith(".csv") and name.count(".") == 1]
    assert placed == ["b.csv", "processed/a.csv", "urgent/processed/y.csv", "urgent/processed/z.csv"]


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


async def test_each_account_has_a_folder_of_its_own_and_its_carriers_words(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_INBOX_SETTLE_S", "0")
    emulator.refill([Group(2)])
    home = load().home
    inbox = home / "inbox"
    for account in ("eu", "us"):
        (inbox / account).mkdir(parents=True)
    home.chmod(0o700)
    with IotAcceleratorEmulator([SubscriptionGroup(3, IotState.ACTIVE)], work_s=0) as iot:
        file = home / "settings.toml"
        file.write_text(
            f'[accounts.eu]\nurl = "{emulator.url}"\ntoken = "env:EU"\n'
            f'[accounts.us]\ncarrier = "iot-accelerator"\nurl = "{iot.url}"\ntoken = "env:US"\n'
            f'iot_accelerator_username = "{USERNAME}"\niot_accelerator_poll_s = 0.2\n'
        )
        file.chmod(0o600)
        for name, value in {"EU": emulator.token, "US": PASSWORD}.items():
            monkeypatch.setenv(name, value)
            monkeypatch.delenv(f"SIMTANDEM_EMNIFY_{'TOKEN' if name == 'EU' else 'URL'}")
        iccids = iot.change(lambda site: [each.icc for each in site.inventory.subscriptions])
        (inbox / "eu" / "on.csv").write_text(f"sim_id,status\n{FIRST},activated\n")
        (inbox / "eu" / "off.csv").write_text(f"sim_id\n{FIRST + 1}\n")
        (inbox / "us" / "off.csv").write_text(f"iccid,status\n{iccids[0]},PAUSE\n{iccids[1]},\n")
        state = await look("deactivated")
        states = iot.change(lambda site: site.fleet_summary()["states"])
    assert state.is_failed()
    assert {name: states[name] for name in (IotState.PAUSE, IotState.DEACTIVATED, IotState.ACTIVE)} == {
        IotState.PAUSE: 1,
        IotState.DEACTIVATED: 1,
        IotState.ACTIVE: 1,
    }
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 1, "Issued/Disabled": 1}
    placed = [name for name in tree(inbox) if name.endswith(".csv") and name.count(".") == 1]
    assert placed == ["eu/processed/on.csv", "eu/refused/off.csv", "us/processed/off.csv"]
    assert "emnify has no status deactivated" in (inbox / "eu" / "refused" / "off.reason.txt").read_text()

"""Two accounts in one home, each with a carrier of its own: nothing of one appears in what is done for the other."""

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import FIRST, Desk

pytestmark = pytest.mark.timeout(300)
RUNNING = Group(6, SimStatus.ACTIVATED, EndpointStatus.ENABLED)


@pytest.fixture(scope="module")
def other() -> Iterator[Emulator]:
    with Emulator([RUNNING], token="hush-of-the-other-77ad", path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def desk(sit_down: MakeDesk, other: Emulator) -> Desk:
    other.reset()
    made = sit_down(Group(5))
    del made.variables["SIMTANDEM_EMNIFY_URL"], made.variables["SIMTANDEM_EMNIFY_TOKEN"]
    made.variables |= {"EU_TOKEN": made.emulator.token, "US_TOKEN": other.token}
    file = made.home / "settings.toml"
    file.write_text(
        f'[accounts.eu]\nurl = "{made.emulator.url}"\ntoken = "env:EU_TOKEN"\n'
        f'[accounts.us]\nurl = "{other.url}"\ntoken = "env:US_TOKEN"\nmax_suspend_share = 1\n'
    )
    file.chmod(0o600)
    return made


def document(desk: Desk, *arguments: object) -> dict[str, Any]:
    return desk.run(*arguments, "--json").document()


def rows(desk: Desk, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.home / "ledger.sqlite")) as connection:
        return connection.execute(query).fetchall()


def test_none_is_taken_where_several_could_be_meant(desk: Desk) -> None:
    done = desk.run("plan", desk.file(2), "--to", "activated")
    assert done.code == 2
    assert "There are 2 accounts: eu, us. Nothing was sent." in done.err
    assert desk.run("runs").code == 0, "what is about the home needs no account"


def test_a_command_to_run_next_names_the_account(desk: Desk) -> None:
    planned = desk.run("plan", desk.file(2), "--to", "activated", "--account", "eu")
    run_id = document(desk, "plan", desk.file(2), "--to", "activated", "--account", "eu")["run_id"]
    for said in (planned.out, desk.run("retry", run_id, "--yes").err):
        [command] = re.findall(r"(?:To apply this plan|To carry it out): simtandem (.+)", said)
        assert " --account eu" in command
        assert desk.run(*shlex.split(command), "--yes").code == 0, command


def test_runs_at_once_keep_ledger_budget_and_locks_apart(desk: Desk, other: Emulator) -> None:
    up, down = desk.file(4, name="up.csv"), desk.file(4, name="down.csv")
    both = [
        desk.start("apply", up, "--to", "activated", "--yes", "--json", "--account", "eu"),
        desk.start("apply", down, "--to", "suspended", "--yes", "--json", "--account", "us"),
    ]
    eu, us = (desk.wait(each).document() for each in both)
    assert [(each["account"], each["exit_code"], each["verdicts"]["in_sync"]) for each in (eu, us)] == [
        ("eu", 0, 4),
        ("us", 0, 4),
    ]
    assert desk.emulator.fleet.state_counts() == {"Activated/Enabled": 4, "Issued/Disabled": 1}
    assert other.fleet.state_counts() == {"Activated/Enabled": 2, "Suspended/Disabled": 4}
    host = {name: url.removeprefix("http://") for name, url in (("eu", desk.emulator.url), ("us", other.url))}
    assert set(rows(desk, "SELECT account, carrier_host, run_id FROM last_known")) == {
        ("eu", host["eu"], eu["run_id"]),
        ("us", host["us"], us["run_id"]),
    }
    for name in ("eu", "us"):
        key = f"{name}@{host[name].replace(':', '_')}"
        assert (desk.home / f"budget-{key}.sqlite").exists()
        claimed = rows(desk, f"SELECT device FROM claims WHERE account = '{key}'")  # noqa: S608 - our own names
        assert sorted(device.partition(" ")[0] for (device,) in claimed) == ["endpoint"] * 5 + ["sim"] * 4, (
            "and one for the turn of endpoint writes"
        )
    listed: Any = document(desk, "runs")
    assert {(each["run_id"], each["account"]) for each in listed} == {(eu["run_id"], "eu"), (us["run_id"], "us")}
    of_us: Any = document(desk, "runs", "--account", "us")
    assert [each["run_id"] for each in of_us] == [us["run_id"]]


def test_an_audit_sees_its_own_account_alone(desk: Desk, other: Emulator) -> None:
    document(desk, "apply", desk.file(5), "--to", "activated", "--yes", "--account", "eu")
    first = document(desk, "audit", "--account", "us")
    assert (first["sims"], sum(first["findings"].values())) == (6, 0)
    told = document(desk, "audit", "--account", "eu")
    assert (told["sims"], sum(told["findings"].values())) == (5, 0)
    page = Path(told["files"]["report"]).read_text(encoding="utf-8")
    assert other.url.removeprefix("http://") not in page


def test_retry_undo_and_report_reopen_the_account_of_the_run(desk: Desk, other: Emulator) -> None:
    first = document(desk, "apply", desk.file(3), "--to", "suspended", "--yes", "--account", "us")
    document(desk, "apply", desk.file(2, name="up.csv"), "--to", "activated", "--yes", "--account", "eu")
    wrong = desk.run("undo", first["run_id"], "--account", "eu")
    assert wrong.code == 2
    assert "was of account us, and the account named here is eu" in wrong.err
    undone = document(desk, "undo", first["run_id"], "--yes")
    assert (undone["account"], undone["exit_code"]) == ("us", 0)
    assert other.fleet.state_counts() == {"Activated/Enabled": 6}
    assert document(desk, "undo", "latest", "--account", "eu")["account"] == "eu", "latest is that account's"
    assert desk.run("report", first["run_id"]).code == 0
    file = desk.home / "settings.toml"
    file.write_text(file.read_text().replace(other.url, "https://elsewhere.test"))
    moved = desk.run("undo", first["run_id"])
    assert moved.code == 2
    assert "the settings name elsewhere.test" in moved.err
    assert "url in [accounts.us]" in moved.err


def test_a_list_of_two_accounts_is_refused_and_both_are_named(desk: Desk, other: Emulator) -> None:
    alone = FIRST + 5  # the other account has it, this one does not
    first = document(desk, "apply", desk.file([alone]), "--to", "suspended", "--yes", "--account", "us")
    assert first["exit_code"] == 0
    assert rows(desk, "SELECT account, sim_id FROM last_known") == [("us", str(alone))]
    mixed = desk.run("apply", desk.file([FIRST, alone]), "--to", "activated", "--yes", "--account", "eu")
    assert mixed.code == 2
    assert f"1 of the ids in this list is not of account eu but of us, the first: sim_id {alone}" in mixed.err
    assert "--account us" in mixed.err
    iccid = other.fleet.sims[alone].iccid
    by_iccid = desk.folder / "by-iccid.csv"
    by_iccid.write_text(f"iccid\n{iccid}\n{desk.emulator.fleet.sims[FIRST].iccid}\n")
    named = desk.run("plan", by_iccid, "--to", "activated", "--account", "eu")
    assert (named.code, f"of us, the first: iccid {iccid}" in named.err) == (2, True)
    assert desk.patches() == 0
    assert other.fleet.state_counts() == {"Activated/Enabled": 5, "Suspended/Disabled": 1}


def test_a_schedule_is_of_the_account_it_was_added_for(desk: Desk) -> None:
    file = desk.file(2)
    assert desk.run("schedule", "add", file, "--to", "activated", "--at", "now").code == 2
    later = f"{datetime.now(UTC) + timedelta(days=365):%Y-%m-%d}"
    added = document(desk, "schedule", "add", file, "--to", "activated", "--at", later, "--account", "us")
    assert [each["account"] for each in added["schedules"]] == ["us"]
    of_eu: Any = document(desk, "schedule", "list", "--account", "eu")
    every: Any = document(desk, "schedule", "list")
    assert (of_eu, [each["account"] for each in every]) == ([], ["us"])

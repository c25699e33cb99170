"""Runs whose devices are selected: the list that is made of them, and that nothing selects a second time."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.parameters import Mode, Wish
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.carriers.emnify.fleet_selection import FleetSelection
from simtandem.carriers.protocol import Selected
from simtandem.emulator.events import Source
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger.store import Ledger
from simtandem.reports.run_commands import command_of, comparing
from simtandem.runs import finish
from simtandem.runs.run_folder import RunFolder
from tests.simtandem.runs.emulated import Desk

RESTING = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)
FLEET = [
    *(Group(1, *RESTING, sim_id=sim, endpoint_id=100 + sim, tags="depot-7") for sim in (9, 11, 12)),
    Group(1, *RESTING, sim_id=13, endpoint_id=113, tags="depot-8"),
    Group(1, None, EndpointStatus.DISABLED, endpoint_id=114, tags="depot-9"),
]
DEPOT: dict[str, Any] = {"where": "tag = 'depot-7'", "to": Wish.ACTIVATED}


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator(FLEET, path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path) -> Desk:
    carrier.reset()
    carrier.inject()
    return Desk(carrier, tmp_path / "home")


def listings(desk: Desk) -> int:
    return int(desk.emulator.stats()["by_route"].get("GET /api/v1/endpoint", 0))


def lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8-sig").splitlines()


def test_what_is_selected_is_a_list_that_leads_to_the_same_plan(desk: Desk) -> None:
    planned = desk.request("", mode=Mode.PLAN, **DEPOT)
    selected = planned["files"]["selected"]
    assert [line.split(",")[0] for line in lines(selected)] == ["sim_id", "9", "11", "12"]
    assert listings(desk) == 1
    assert planned["selection"] == {
        "where": "tag = 'depot-7'",
        "file": "selected.csv",
        "sha256": hashlib.sha256(Path(selected).read_bytes()).hexdigest(),
        "selected": 3,
        "listed": 5,
        "no_device": 0,
        "left_out": 0,
        "events_since": None,
    }
    assert (planned["input"]["file"], planned["input"]["rows"], planned["exit_code"]) == ("selected.csv", 3, 0)

    by_list = desk.request(selected, mode=Mode.PLAN)
    assert by_list["digest"] == planned["digest"]
    assert "selection" not in by_list
    applied = desk.request("", plan_digest=planned["digest"], **DEPOT)
    assert (applied["digest"], applied["verdicts"]["in_sync"]) == (planned["digest"], 3)


def test_another_selection_than_the_one_that_was_planned_is_refused(desk: Desk) -> None:
    planned = desk.request("", mode=Mode.PLAN, **DEPOT)
    desk.emulator.fleet.endpoint(113).tags = "depot-7"
    refused = desk.request("", plan_digest=planned["digest"], **DEPOT)
    assert refused["exit_code"] == 3
    assert refused["plan"]["devices"] == 4
    assert "PATCH" not in " ".join(desk.emulator.stats()["by_route"])


def test_with_a_list_both_must_hold_and_rows_keep_their_numbers_and_columns(desk: Desk) -> None:
    file = desk.file(
        "iccid,sim_id,status,Site", ",13,activated,A", ",12,activated,B", ",99,activated,C", "x,,,D", ",12,activated,E"
    )
    done = desk.request(file, mode=Mode.APPLY, where="tag = 'depot-7'")
    assert (done["input"]["rows"], done["input"]["invalid"]) == (4, 1)
    assert sum(done["verdicts"].values()) == 4
    said = done["selection"]
    assert (said["selected"], said["no_device"], said["left_out"], said["listed"]) == (1, 1, 1, 5)
    assert RunFolder(desk.home / "runs" / done["run_id"]).intake()["notes"][:2] == [
        "Selected 1 of 5 rows of the list where tag = 'depot-7': selected.csv.",
        (
            "Of the other rows of the list: 1 not selected, 1 repeated, 1 without a device (refused), 1 invalid. "
            "Row numbers are those of the list."
        ),
    ]
    assert [line.split(",")[0] + line[-2:] for line in lines(done["files"]["results"])[1:]] == [
        "3,B",
        "4,C",
        "5,D",
        "6,E",
    ]
    assert lines(done["files"]["selected"]) == [
        "sim_id,endpoint_id,iccid,status,Site",
        "12,,,activated,B",
        "99,,,activated,C",
    ]
    assert done["verdicts"]["in_sync"] == 2, "row 6 repeats row 3"


def test_of_rows_that_repeat_others_only_those_of_selected_devices_are_counted(desk: Desk) -> None:
    file = desk.file("sim_id,status", "13,activated", "12,activated", "13,activated", "12,activated", "13,activated")
    done = desk.request(file, mode=Mode.APPLY, where="tag = 'depot-7'")
    notes = RunFolder(desk.home / "runs" / done["run_id"]).intake()["notes"]
    assert [each for each in notes if "repeat" in each] == [
        "Of the other rows of the list: 3 not selected, 1 repeated. Row numbers are those of the list.",
        "Rows that repeat an earlier row, and are changed once with it: 1 (row 5 repeats row 3).",
    ]


def test_invalid_rows_of_several_lists_stay_in_the_result_with_file_and_row(desk: Desk) -> None:
    good, bad = desk.home / "a.csv", desk.home / "b.csv"
    desk.home.mkdir(exist_ok=True)
    good.write_text("sim_id,status\n12,activated\n13,activated\n")
    bad.write_text("sim_id,status\nx,activated\n11,activated\n")
    done = desk.request(str(good), more_files=(str(bad),), mode=Mode.PLAN, where="tag = 'depot-7'")
    assert (done["input"]["rows"], done["input"]["invalid"], done["selection"]["left_out"]) == (3, 1, 1)
    assert sum(done["verdicts"].values()) == 3
    (row,) = lines(done["files"]["invalid"])[1:]
    assert "b.csv" in row
    assert "x" in row


def test_how_far_back_the_event_log_was_read_is_said(desk: Desk) -> None:
    desk.emulator.fleet.drift_event(1, "", "", Source.NETWORK, sim_id=11, endpoint_id=None)
    where = "last_event < 2 days ago and tag = 'depot-7'"
    done = desk.request("", mode=Mode.PLAN, where=where, to=Wish.ACTIVATED)
    since = datetime.combine(datetime.now(UTC).date() - timedelta(days=2), time(), UTC)
    assert (done["selection"]["selected"], done["selection"]["events_since"]) == (2, since.isoformat())
    assert RunFolder(desk.home / "runs" / done["run_id"]).intake()["notes"][1] == (
        f"For last_event the carrier's event log was read back to {since:%Y-%m-%d %H:%M} UTC, for 3 SIMs, with 1 call. "
        "A SIM without an event since then had its last one earlier, or never."
    )


def test_nothing_selected_is_a_run_that_changes_nothing(desk: Desk) -> None:
    done = desk.request("", where="tag = 'depot-1'", to=Wish.SUSPENDED)
    assert (done["exit_code"], done["plan"]["devices"], done["selection"]["selected"]) == (0, 0, 0)
    assert lines(done["files"]["selected"]) == ["sim_id,endpoint_id,iccid,status"]
    notes = RunFolder(desk.home / "runs" / done["run_id"]).intake()["notes"]
    assert notes == ["No device of 5 devices listed is selected where tag = 'depot-1'. There is nothing to change."]


def test_what_has_no_sim_is_selected_and_refused_with_its_reason(desk: Desk) -> None:
    done = desk.request("", mode=Mode.PLAN, where="tag = 'depot-9'", to=Wish.ACTIVATED)
    assert (done["plan"]["refused"], done["exit_code"]) == (1, 1)


def test_what_a_selection_may_have_missed_is_a_warning_of_the_document(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = FleetSelection.select

    async def unsure(self: FleetSelection) -> Selected:
        return replace(await select(self), undecided=2, complete=False)

    monkeypatch.setattr(FleetSelection, "select", unsure)
    done = desk.request("", mode=Mode.APPLY, **DEPOT)
    assert [warning.split(",")[0] for warning in done["warnings"]] == [
        "2 devices changed hands while the fleet was listed",
        "The fleet kept changing while it was listed: devices may be missing from the selection.",
    ]
    folder = RunFolder(desk.home / "runs" / done["run_id"])
    assert folder.intake()["notes"][-2:] == done["warnings"], "the plan says it as well"
    with Ledger.open(desk.settings.ledger()) as ledger:
        again = finish.report_again(ledger, folder, ledger.run(done["run_id"]))
    assert again["warnings"] == done["warnings"]


@pytest.mark.parametrize("killed", ["killed_once_planned", "killed_when_sending"])
def test_a_killed_run_is_retried_and_undone_without_selecting_again(desk: Desk, killed: str) -> None:
    run_id = desk.request("", **{**DEPOT, killed: True})["run_id"]
    for sim in (9, 11, 12):  # nothing would be selected any more
        desk.emulator.fleet.endpoint(100 + sim).tags = None
    with Ledger.open(desk.settings.ledger()) as ledger:
        told = finish.report_again(ledger, RunFolder(desk.home / "runs" / run_id), ledger.run(run_id))
        record = ledger.run(run_id).record
    assert (told["input"]["rows"], told["verdicts"]["skipped"] + told["verdicts"]["unknown"]) == (3, 3)
    assert told["selection"]["where"] == "tag = 'depot-7'"
    page = Path(desk.home / "runs" / run_id / "report.html").read_text()
    assert "tag = &#39;depot-7&#39;" in page
    assert "(3 of 5 devices listed)" in page
    assert command_of(record) == "simtandem apply --where \"tag = 'depot-7'\" --to activated"
    assert comparing(record, told["files"]) == f"simtandem reconcile {told['files']['selected']}"

    retried = desk.request(f"retry of {run_id}", retry_of=run_id)
    assert (retried["verdicts"]["in_sync"], "selection" in retried) == (3, False)
    undone = desk.request(f"undo of {retried['run_id']}", undo_of=retried["run_id"])
    assert undone["verdicts"]["in_sync"] == 3


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"where": "tag = 'a'"}, "A selection names no status"),
        ({"where": "tga = 'a'", "to": Wish.ACTIVATED}, "did you mean tag"),
        ({"where": "tga = 'a'", "file": "/nowhere.csv"}, "did you mean tag"),
    ],
)
def test_a_mistake_is_named_before_anything_is_read_or_called(desk: Desk, request_: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        desk.request(**{"file": "", **request_})
    assert desk.emulator.stats()["by_route"] == {}

"""A retry asks for what the record says, whatever became of the files."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.cli import report, retry
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import CarrierUnavailable, InputError
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import prepare
from simtandem.runs.run import AskedOn, Run, kind_of
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.runs.emulated import Desk

ROUND, PLAIN = 11, 12
"""The first one's ICCID ends in four zeros, as one true ICCID in ten thousand does."""
ROUND_ICCID = "8988303000010010000"
RESTING = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)
WORKING = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator([Group(1, *RESTING, sim_id=ident, endpoint_id=100 + ident) for ident in (ROUND, PLAIN)]) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    carrier.reset()
    carrier.inject()
    carrier.change(lambda fleet: setattr(fleet.sims[ROUND], "iccid", ROUND_ICCID))
    desk = Desk(carrier, tmp_path / "home")
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
    return desk


def state(desk: Desk, sim: int) -> tuple[SimStatus, EndpointStatus]:
    fleet = desk.emulator.fleet
    return fleet.sims[sim].status, fleet.endpoints[sim + 100].status


def failing(desk: Desk, **options: Any) -> Mapping[str, Any]:
    """An apply whose SIMs are all refused."""
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    run = desk.apply({ROUND: Target.ACTIVATED, PLAIN: Target.ACTIVATED}, **options)
    desk.emulator.inject()
    assert run["verdicts"]["failed"] == 2
    return run


def retried(desk: Desk, run_id: str, **options: Any) -> Mapping[str, Any]:
    record, file = retry.open_rows(run_id)
    return desk.request(str(file), retry_of=record.run_id, **options)


def test_a_true_iccid_that_ends_in_zeros_is_retried_with_the_others(desk: Desk) -> None:
    run = failing(desk)
    done = retried(desk, run["run_id"])
    assert (done["exit_code"], done["input"]["rows"], done["input"]["invalid"]) == (0, 2, 0)
    assert [state(desk, ROUND), state(desk, PLAIN)] == [WORKING] * 2


def test_a_run_at_another_carrier_is_not_retried_here(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    run = failing(desk)
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", "https://other.example")
    with pytest.raises(InputError, match=r"settings name other\.example"):
        retry.open_rows(run["run_id"])


def test_the_file_of_a_retry_loads_as_input_with_every_row(desk: Desk) -> None:
    run = failing(desk)
    intake = read_devices(Path(run["files"]["retry"]))
    assert (intake.devices.height, intake.rejected.height) == (2, 0)


@pytest.mark.parametrize("edited", ["sim_id,status\n12,suspended\n", "ruined by a spreadsheet", None])
def test_what_became_of_the_file_of_a_retry_changes_nothing(desk: Desk, edited: str | None) -> None:
    run = failing(desk)
    record, file = retry.open_rows(run["run_id"])
    if edited is None:
        file.unlink()
    else:
        file.write_text(edited)
    assert desk.request(str(file), retry_of=record.run_id)["exit_code"] == 0
    assert [state(desk, ROUND), state(desk, PLAIN)] == [WORKING] * 2


def test_a_retry_of_a_retry_asks_for_the_same(desk: Desk) -> None:
    run = failing(desk)
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    second = retried(desk, run["run_id"])
    desk.emulator.inject()
    assert second["verdicts"]["failed"] == 2
    assert retried(desk, second["run_id"])["verdicts"]["in_sync"] == 2


def test_what_someone_has_changed_since_is_said_in_the_plan_of_a_retry(desk: Desk) -> None:
    run = failing(desk)
    desk.emulator.change(lambda fleet: fleet.drift_endpoint(ROUND + 100, EndpointStatus.ENABLED))
    told = retried(desk, run["run_id"])["plan"]["consequences"]
    [said] = told
    assert said.startswith("1 device was changed by someone else, by another run or by the carrier since run ")
    assert said.endswith(f"{run['run_id']} left it: this retry changes it to what that run was asked for. Row 2.")


def test_of_devices_that_are_as_the_run_left_them_a_retry_says_nothing(desk: Desk) -> None:
    assert "consequences" not in retried(desk, failing(desk)["run_id"])["plan"]


def test_a_run_that_failed_is_said_to_be_done_once_the_retry_of_its_retry_is(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run = failing(desk)
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    second = retried(desk, run["run_id"])
    desk.emulator.inject()
    report.write_page(run["run_id"], as_json=False)
    page = Path(run["files"]["report"])
    assert f"simtandem retry {run['run_id']}" in page.read_text(encoding="utf-8")
    third = retried(desk, second["run_id"])
    report.write_page(run["run_id"], as_json=False)
    assert f"simtandem retry {run['run_id']}" not in page.read_text(encoding="utf-8")
    assert f"Run {third['run_id']} has brought what this run had left open" in page.read_text(encoding="utf-8")


def test_an_undo_is_retried_with_every_device(desk: Desk) -> None:
    run = desk.apply({ROUND: Target.ACTIVATED, PLAIN: Target.ACTIVATED})
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    undone = desk.undo(run["run_id"])
    desk.emulator.inject()
    assert undone["verdicts"]["failed"] == 2
    assert retried(desk, undone["run_id"])["exit_code"] == 0
    assert [state(desk, ROUND), state(desk, PLAIN)] == [RESTING] * 2


def ended_while_listing(desk: Desk, **options: Any) -> str:
    """A run that read its rows and never came to a plan."""
    request = request_of(desk, **options)
    run = Run.begin(request, kind_of(request), desk.settings, asked_on=AskedOn.TERMINAL)
    try:
        with pytest.raises(CarrierUnavailable), run.failing():  # noqa: PT012 - the error is what ends it
            prepare.read_devices(run)
            raise CarrierUnavailable("gone")
        return run.run_id
    finally:
        run.close()


def request_of(desk: Desk, **options: Any) -> BulkUpdate:
    return BulkUpdate(**{"file": desk.file("sim_id", "11"), "to": "activated", "mode": Mode.APPLY, **options})


def test_a_run_that_ended_while_listing_is_to_be_run_again_by_its_own_command(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = ended_while_listing(desk)
    command = f"simtandem apply {desk.home}/devices.csv --to activated"
    with pytest.raises(InputError, match=command):
        retry.open_rows(run_id)
    capsys.readouterr()
    report.write_page(run_id, as_json=False)
    told = capsys.readouterr()
    assert f"To continue: {command}" in told.err
    assert command in Path(told.out.strip()).read_text()


def test_an_undo_or_a_retry_that_ended_while_listing_names_the_run_it_was_of(desk: Desk) -> None:
    first = failing(desk)["run_id"]
    undo = ended_while_listing(desk, undo_of=desk.apply({PLAIN: Target.ACTIVATED})["run_id"])
    retried = ended_while_listing(desk, retry_of=first)
    with pytest.raises(InputError, match=r"simtandem undo \S+ --yes"):
        retry.open_rows(undo)
    with pytest.raises(InputError, match=f"simtandem retry {first}"):
        retry.open_rows(retried)


def test_a_run_that_was_killed_once_planned_goes_on_with_a_retry(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = desk.request(desk.file("sim_id", "11"), to="activated", killed_once_planned=True)
    capsys.readouterr()
    report.write_page(killed["run_id"], as_json=False)
    assert f"To continue: simtandem retry {killed['run_id']}" in capsys.readouterr().err
    again = retried(desk, killed["run_id"])
    assert again["exit_code"] == 0
    report.write_page(killed["run_id"], as_json=False)
    told = capsys.readouterr()
    assert "To continue" not in told.err
    assert f"What it left open is done: run {again['run_id']} has brought it in sync." in told.err
    page = Path(told.out.splitlines()[0]).read_text(encoding="utf-8")
    assert (f"simtandem retry {killed['run_id']}" in page, again["run_id"] in page) == (False, True)
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        assert ledger.run(killed["run_id"]).state is RunState.INTERRUPTED


def test_refused_moves_are_left_out_so_that_a_retry_can_end_well(desk: Desk) -> None:
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    wishes = [f"{ROUND},suspended", f"{PLAIN},activated"]
    desk.emulator.change(lambda fleet: fleet.drift_sim(ROUND, SimStatus.ISSUED))
    run = desk.request(desk.file("sim_id,status", *wishes))
    desk.emulator.inject()
    assert (run["verdicts"]["refused"], run["verdicts"]["failed"]) == (1, 1)
    done = retried(desk, run["run_id"])
    assert (done["exit_code"], done["input"]["rows"]) == (0, 1)
    refused = desk.request(desk.file("sim_id,status", wishes[0]))
    with pytest.raises(InputError, match="left nothing open"):
        retry.open_rows(refused["run_id"])
    killed = desk.request(desk.file("sim_id,status", wishes[0]), killed_once_planned=True)
    with pytest.raises(InputError, match="left nothing open"):
        retry.open_rows(killed["run_id"])

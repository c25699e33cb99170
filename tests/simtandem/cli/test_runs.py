import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.parameters import BulkUpdate, Mode
from simtandem import progress
from simtandem.cli import runs
from simtandem.errors import AuthenticationFailed, InputError
from simtandem.intake import read_devices
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunState
from simtandem.runs import finish
from simtandem.runs.apply import Applying
from simtandem.runs.origin import AskedOn
from simtandem.runs.run import Run, kind_of
from simtandem.settings import load
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused
from tests.simtandem.runs.conftest import prepare
from tests.simtandem.runs.sending import fleet_of, send_all


class Past:
    """Runs of a fleet in memory, recorded as any other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.carrier = ActingCarrier(fleet_of(4))

    def run(
        self,
        rows: str,
        *,
        mode: Mode = Mode.APPLY,
        killed: bool = False,
        error: Exception | None = None,
        name: str = "devices.csv",
    ) -> str:
        """A run of the file with these rows; returns its id."""
        file = self._folder / name
        file.write_text("sim_id,status\n" + rows)
        request = BulkUpdate(file=str(file), mode=mode)
        run = Run.begin(request, kind_of(request), load(), asked_on=AskedOn.TERMINAL)
        progress.watch(progress.Watcher())
        try:
            asyncio.run(self._carry_out(run, killed=killed))
            if error is not None:
                run.ledger.record_state(run.run_id, RunState.FAILED, {"error": str(error)})
        finally:
            run.close()
        return run.run_id

    async def _carry_out(self, run: Run, *, killed: bool) -> None:
        await prepare(run, self.carrier)
        if run.request.mode is Mode.APPLY:
            async with CallWriter(run.ledger, run.run_id) as journal:
                await send_all(Applying(run, self.carrier, journal))
            if killed:
                return
            await finish.reconcile(run, self.carrier)
        finish.finish(run)


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    return Past(tmp_path)


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def wanted(file: Path) -> list[tuple[str, str]]:
    """Which SIMs a device CSV asks to change, and to what."""
    return read_devices(file).devices.select("sim_id", "desired").rows()


def test_runs_are_told_newest_first_as_many_as_asked_for(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    past.carrier.acts = {"2": [Refused()]}
    ids = [past.run("1,activated\n2,activated\n"), past.run("3,activated\n", mode=Mode.PLAN), past.run("4,activated\n")]
    runs.show_runs(2, as_json=True)
    assert [run["run_id"] for run in shown(capsys)] == sorted(ids, key=ids.index, reverse=True)[:2]
    runs.show_runs(20, as_json=True)
    told = {run["run_id"]: run for run in shown(capsys)}[ids[0]]
    assert (told["kind"], told["state"], told["rows"], told["in_sync"], told["exit_code"]) == (
        "apply",
        "finished",
        2,
        1,
        1,
    )
    runs.show_runs(20, as_json=False)
    said = capsys.readouterr().out
    assert all(run_id in said for run_id in ids)


def test_a_run_whose_end_nobody_recorded_is_told_as_far_as_it_came(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    past.run("1,activated\n", killed=True)
    runs.show_runs(20, as_json=True)
    [run] = shown(capsys)
    assert (run["state"], run["in_sync"], run["exit_code"]) == ("applying", None, None), "its process is still here"


def test_a_report_is_made_again_from_the_ledger_by_the_beginning_of_an_id(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = past.run("1,activated\n2,activated\n")
    report = load().runs_folder / run_id / "report.html"
    report.unlink()
    capsys.readouterr()
    runs.show_report(run_id[:-2], as_json=False)
    assert capsys.readouterr().out.strip() == str(report)
    assert run_id in report.read_text()
    runs.show_report(run_id, as_json=True)
    assert shown(capsys)["verdicts"]["in_sync"] == 2


def test_a_run_that_an_error_ended_after_its_report_still_has_one(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = past.run("1,activated\n", error=AuthenticationFailed("revoked"))
    capsys.readouterr()
    runs.show_report(run_id, as_json=True)
    assert shown(capsys)["run_id"] == run_id


def test_a_file_may_be_named_like_markup(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    past.run("1,activated\n", name="fleet [old].csv")
    runs.show_runs(20, as_json=False)
    assert "fleet [old].csv" in capsys.readouterr().out


def test_a_plan_has_nothing_to_report(past: Past) -> None:
    run_id = past.run("1,activated\n", mode=Mode.PLAN)
    with pytest.raises(InputError, match="nothing to report"):
        runs.show_report(run_id, as_json=False)


def test_what_a_run_left_open_is_what_is_not_in_sync(past: Past) -> None:
    past.carrier.acts = {"2": [Refused()]}
    run_id = past.run("1,activated\n2,activated\n99,suspended\nx,activated\n")
    full_id, file = runs.open_rows(run_id[:-1])
    assert full_id == run_id
    assert wanted(file) == [("2", "activated")], "what is refused would be refused again"


def test_all_rows_of_a_killed_run_are_open_each_once(past: Past) -> None:
    run_id = past.run("1,activated\n2,activated\n1,activated\n", killed=True)
    assert wanted(runs.open_rows(run_id)[1]) == [("1", "activated"), ("2", "activated")]


def test_a_run_that_left_nothing_open_is_not_tried_again(past: Past) -> None:
    with pytest.raises(InputError, match="left nothing open"):
        runs.open_rows(past.run("1,activated\n"))


def test_a_plan_is_not_tried_again(past: Past) -> None:
    with pytest.raises(InputError, match="only planned"):
        runs.open_rows(past.run("1,activated\n", mode=Mode.PLAN))


def test_a_run_nobody_knows_is_told_so(past: Past) -> None:
    for look in (runs.open_rows, lambda run: runs.show_report(run, as_json=False)):
        with pytest.raises(InputError, match="no run"):
            look("20200101T000000")

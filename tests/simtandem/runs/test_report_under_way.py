"""The report of a run that has not ended: what it has still to do is no result."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import Half, Outcome, Target
from simtandem.cli import report
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import OutcomeRecord, RunState
from simtandem.runs import prepare
from simtandem.runs.run import AskedOn, Run, kind_of
from tests.simtandem.runs.emulated import Desk

FIRST = 10_000_001


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with Emulator([Group(3)]) as carrier:
        monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
        yield Desk(carrier, tmp_path / "home")


@pytest.fixture
def undoing(desk: Desk) -> Iterator[Run]:
    """An undo that has sent the first of its three devices, and the first half of the second one."""
    desk.apply({FIRST + number: Target.ACTIVATED for number in range(3)})
    run_id = str(desk.apply({FIRST + number: Target.SUSPENDED for number in range(3)})["run_id"])
    request = BulkUpdate(file=f"undo of {run_id}", undo_of=run_id, mode=Mode.APPLY, accept_large=True)
    run = Run.begin(request, kind_of(request), desk.settings, asked_on=AskedOn.TERMINAL)
    asyncio.run(planned(run))
    run.ledger.record_state(run.run_id, RunState.APPLYING, {})
    sent = [(2, Half.ENDPOINT), (2, Half.SIM), (3, Half.ENDPOINT)]
    run.ledger.record_outcomes(run.run_id, [OutcomeRecord(*step, Outcome.APPLIED, 1) for step in sent])
    yield run
    run.close()


async def planned(run: Run) -> None:
    prepare.read_devices(run)
    async with run.carrier() as (carrier, _):
        await prepare.list_inventory(run, carrier)
        prepare.plan_changes(run)


def test_a_run_that_is_paused_is_reported_so_with_the_command_that_continues_it(
    undoing: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    undoing.ledger.record_state(undoing.run_id, RunState.PAUSED, {"by": "ada"})
    capsys.readouterr()
    report.write_page(undoing.run_id, as_json=False)
    said = capsys.readouterr()
    assert "Paused: 1 in sync, 1 partly changed, 1 not sent yet." in said.err
    page = Path(said.out.strip()).read_text(encoding="utf-8")
    assert f"simtandem resume {undoing.run_id}" in page
    assert "Still running" not in page


def test_an_undo_that_is_under_way_is_not_reported_as_if_it_had_ended(
    undoing: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    report.write_page(undoing.run_id, as_json=False)
    said = capsys.readouterr()
    assert "Still running: 1 in sync, 1 partly changed, 1 not sent yet." in said.err
    assert "To continue" not in said.err
    page = Path(said.out.strip()).read_text(encoding="utf-8")
    assert "the run is under way: one half is changed so far" in page
    assert "the run is under way: not sent yet" in page
    assert "run again to change it" not in page

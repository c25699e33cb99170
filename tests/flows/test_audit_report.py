"""The monthly report as a flow, and an undo as a bulk update; what Prefect knows of who asked is in the record."""

import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from schemas.parameters import AuditReport, BulkUpdate, Mode, ReportFormat
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.server import Emulator, Group
from simtandem.ledger.records import RunKind
from simtandem.ledger.store import Ledger
from simtandem.runs.audit_report import PeriodReport
from simtandem.settings import load


def written_to(home: Path) -> list[Path]:
    return list(home.glob("home/reports/*/*"))


async def reported(params: AuditReport) -> PeriodReport:
    from flows.audit_report import audit_report  # noqa: PLC0415 - Prefect must know its server before

    state: State[Any] = await audit_report(params, return_state=True)
    written: PeriodReport = await state.aresult()
    return written


def text(path: str) -> str:
    return Path(path).read_text()


async def test_the_report_of_last_month_is_made_where_nobody_says_otherwise(emulator: Emulator, tmp_path: Path) -> None:
    written = await reported(AuditReport())

    today = datetime.now(UTC).date()
    assert written["until"] == str(today.replace(day=1) - timedelta(days=1))
    assert written["since"] == f"{written['until'][:8]}01"
    assert set(written["files"]) == {"html", "xlsx"}
    assert sorted(path.name for path in written_to(tmp_path)) == ["index.html", "report.xlsx"]
    assert emulator.stats()["calls"] == 0


@pytest.mark.usefixtures("emulator")
async def test_the_state_of_a_report_says_what_is_in_it_and_has_the_head_of_the_record(tmp_path: Path) -> None:
    from flows.audit_report import audit_report  # noqa: PLC0415 - see above

    params = AuditReport(since=date(2026, 1, 1), until=date(2026, 1, 31), formats=[ReportFormat.JSON])
    state = await audit_report(params, return_state=True)

    with closing(Ledger.open(load().ledger())) as ledger:
        entry = ledger.entry()
    assert entry is not None
    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert state.message == f"0 runs from 2026-01-01 to 2026-01-31, reported as json. {entry.spoken}"
    assert str(tmp_path) not in state.message


@pytest.mark.usefixtures("emulator")
async def test_a_report_that_can_not_be_written_says_why_with_the_head_of_the_record(tmp_path: Path) -> None:
    from flows.audit_report import audit_report  # noqa: PLC0415 - see above

    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "reports").write_text("in the way")
    state = await audit_report(return_state=True)

    with closing(Ledger.open(load().ledger())) as ledger:
        entry = ledger.entry()
    assert entry is not None
    assert (state.type.value, state.name) == ("FAILED", "Record not kept")
    assert "can't be written" in str(state.message)
    assert str(state.message).endswith(entry.spoken)


async def test_an_undo_is_a_flow_run_like_any_other_and_the_report_tells_who_asked(
    emulator: Emulator, tmp_path: Path
) -> None:
    from flows.bulk_update import bulk_update  # noqa: PLC0415

    emulator.refill([Group(2, SimStatus.SUSPENDED, EndpointStatus.DISABLED)])
    file = tmp_path / "devices.csv"
    file.write_text("sim_id,status\n" + "".join(f"{sim},activated\n" for sim in emulator.fleet.sims))

    state = await bulk_update(BulkUpdate(file=str(file), mode=Mode.APPLY, accept_large=True), return_state=True)
    assert state.is_completed(), state.message
    with closing(Ledger.open(load().ledger())) as ledger:
        run_id = ledger.runs(1)[0].record.run_id
    undo = BulkUpdate(file=f"undo of {run_id}", undo_of=run_id, mode=Mode.APPLY, accept_large=True)
    state = await bulk_update(undo, return_state=True)
    assert state.is_completed(), state.message
    assert {sim.status for sim in emulator.fleet.sims.values()} == {SimStatus.SUSPENDED}

    today = datetime.now(UTC).date()
    params = AuditReport(since=today - timedelta(days=1), formats=[ReportFormat.JSON])
    written = await reported(params)
    runs = json.loads(text(written["files"]["json"]))["runs"]
    assert [run["kind"] for run in runs] == [RunKind.APPLY, RunKind.UNDO]
    assert runs[1]["flow_run"] == str(state.state_details.flow_run_id)

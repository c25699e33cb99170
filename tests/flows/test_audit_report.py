"""The monthly report as a flow, and an undo as a bulk update; what Prefect knows of who asked is in the record."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.parameters import AuditReport, BulkUpdate, Mode, ReportFormat
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.server import Emulator, Group
from simtandem.ledger.records import RunKind
from simtandem.ledger.store import Ledger
from simtandem.settings import load


def written_to(home: Path) -> list[Path]:
    return list(home.glob("home/reports/*/*"))


def text(path: str) -> str:
    return Path(path).read_text()


async def test_the_report_of_last_month_is_made_where_nobody_says_otherwise(emulator: Emulator, tmp_path: Path) -> None:
    from flows.audit_report import audit_report  # noqa: PLC0415 - Prefect must know its server before

    written = await audit_report()

    today = datetime.now(UTC).date()
    assert written["until"] == str(today.replace(day=1) - timedelta(days=1))
    assert written["since"] == f"{written['until'][:8]}01"
    assert set(written["files"]) == {"html", "xlsx"}
    assert sorted(path.name for path in written_to(tmp_path)) == ["index.html", "report.xlsx"]
    assert emulator.stats()["calls"] == 0


async def test_an_undo_is_a_flow_run_like_any_other_and_the_report_tells_who_asked(
    emulator: Emulator, tmp_path: Path
) -> None:
    from flows.audit_report import audit_report  # noqa: PLC0415 - see above
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
    written = await audit_report(params)
    runs = json.loads(text(written["files"]["json"]))["runs"]
    assert [run["kind"] for run in runs] == [RunKind.APPLY, RunKind.UNDO]
    assert runs[1]["flow_run"] == str(state.state_details.flow_run_id)

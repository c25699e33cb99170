"""The operator's own columns, from the list to every file and back, and never part of a plan's digest."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.parameters import ReportFormat
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.cli import report, retry, verify
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.store import Ledger
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.runs.emulated import Desk

RESTING = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)
HEADER, GOOD, EVIL = "sim_id,status,Site,reason", "11,activated,Depot 7,spring", "12,activated,=1+1,<b>x</b>"


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator([Group(1, *RESTING, sim_id=ident, endpoint_id=100 + ident) for ident in (11, 12)]) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    carrier.reset()
    carrier.inject()
    desk = Desk(carrier, tmp_path / "home")
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
    return desk


def failing(desk: Desk) -> Mapping[str, Any]:
    """An apply whose SIMs are all refused, one of three rows invalid."""
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    run = desk.request(desk.file(HEADER, GOOD, EVIL, "x,activated,Depot 9,"))
    desk.emulator.inject()
    return run


def own_of(path: str) -> list[tuple[str | None, str | None]]:
    return pl.read_csv(path, infer_schema=False).select("Site", "input_reason").rows()


def test_own_columns_come_last_in_every_file_and_run_nowhere(desk: Desk) -> None:
    files = failing(desk)["files"]
    both = [("Depot 7", "spring"), ("'=1+1", "<b>x</b>")]
    assert own_of(files["plan"]) == own_of(files["retry"]) == both
    assert own_of(files["results"]) == [*both, ("Depot 9", None)]
    assert own_of(files["invalid"]) == [("Depot 9", None)]
    header = Path(files["results"]).read_text("utf-8-sig").splitlines()[0]
    assert header.endswith("http_status,error,Site,input_reason")
    page = Path(files["report"]).read_text()
    assert "Depot 7" in page
    assert "<b>x</b>" not in page


def test_a_retry_and_the_retry_file_keep_them(desk: Desk) -> None:
    run = failing(desk)
    read = read_devices(Path(run["files"]["retry"]))
    assert read.own.rows() == [(2, "Depot 7", "spring"), (3, "=1+1", "<b>x</b>")]
    record, file = retry.open_rows(run["run_id"])
    again = desk.request(str(file), retry_of=record.run_id)
    assert again["verdicts"]["in_sync"] == 2
    assert own_of(again["files"]["results"]) == [("Depot 7", "spring"), ("'=1+1", "<b>x</b>")]
    undone = desk.undo(again["run_id"])
    assert own_of(undone["files"]["undo"]) == own_of(undone["files"]["results"])


def test_the_digest_of_a_plan_is_the_same_with_and_without_them(desk: Desk) -> None:
    plain = desk.request(desk.file("sim_id,status", "11,activated", "12,activated"), mode="plan")
    kept = desk.request(desk.file(HEADER, GOOD, EVIL), mode="plan")
    assert plain["digest"] == kept["digest"]
    assert own_of(kept["files"]["plan"])[0] == ("Depot 7", "spring")


@pytest.mark.parametrize("form", [ReportFormat.CSV, ReportFormat.PARQUET, ReportFormat.JSON, ReportFormat.XLSX])
def test_every_format_of_a_report_has_them(desk: Desk, form: ReportFormat, capsys: pytest.CaptureFixture[str]) -> None:
    run = failing(desk)
    report.write_run(run["run_id"], form, as_json=False)
    path = Path(capsys.readouterr().out.strip())
    match form:
        case ReportFormat.CSV:
            found = own_of(str(path / "devices.csv"))
        case ReportFormat.PARQUET:
            found = pl.read_parquet(path / "devices.parquet").select("Site", "input_reason").rows()
        case ReportFormat.JSON:
            found = [(each["Site"], each["input_reason"]) for each in json.loads(path.read_text())["devices"]]
        case _:
            found = read_devices_sheet(path)
    assert found[0] == ("Depot 7", "spring")
    assert len(found) == 3


def read_devices_sheet(path: Path) -> list[tuple[str | None, str | None]]:
    from openpyxl import load_workbook  # noqa: PLC0415

    header, *rows = load_workbook(path)["devices"].values
    site, reason = header.index("Site"), header.index("input_reason")
    return [(row[site], row[reason]) for row in rows]


def test_they_are_covered_by_the_record(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    run = failing(desk)
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        assert ledger.own(run["run_id"]).height == 3
        assert ledger.own_names(run["run_id"]) == ["Site", "input_reason"]
    with closing(sqlite3.connect(desk.home / "ledger.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE own_cells SET cells = replace(cells, 'Depot 7', 'Depot 8')")
    assert verify.show_proof(run["run_id"], None, as_json=False) == 1
    assert "own columns of row 2" in capsys.readouterr().out

"""Owners in the files and pages of a run: beside the statuses where some were asked for, nowhere else."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.parameters import ReportFormat
from schemas.tables import Plan, Rejected, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.cli import report
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.store import Ledger
from simtandem.reports.result_files import write_plan
from simtandem.reports.run_page import render
from simtandem.reports.urgency import examine
from simtandem.runs import audit_report
from simtandem.settings import load
from tests.simtandem.reports.reading_back import read_workbook
from tests.simtandem.runs.emulated import Desk

Make = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
MakeDocument = Callable[..., dict[str, object]]
COLUMNS = ("owners", "owners_before", "owners_after")
ASKED = {
    "owners": "customer_org_id=42",
    "owners_before": "customer_org_id=none",
    "owners_after": "customer_org_id=77",
    "verdict": "changed_by_others",
    "reason": "changed by someone else",
}
SIM = 10_000_001


def page(document: dict[str, object], results: pl.DataFrame) -> str:
    return render(
        document, results, rejected=empty(Rejected), calls=None, title="Run run-1", started=None, finished=None
    )


def test_a_row_shows_whose_the_sim_was_is_and_should_be(make_results: Make, make_document: MakeDocument) -> None:
    results = make_results([ASKED, {"desired": None, **ASKED}])
    html = page(make_document(results, owner_changes=2), results)
    for told in (
        "activated, customer_org_id=42",
        "Suspended+Disabled, customer_org_id=none",
        "Activated+Enabled, customer_org_id=77",
    ):
        assert told in html
    assert 'data-key="changed.owners" data-value="2"' in html


def test_a_page_of_a_run_without_owners_says_nothing_of_them(make_results: Make, make_document: MakeDocument) -> None:
    results = make_results([{}, {"verdict": "failed", "reason": "no"}])
    html = page(make_document(results), results)
    assert "owner" not in html.split("<body")[1].split("<script")[0].lower()
    assert "org_id" not in html


def test_what_is_examined_keeps_every_row(make_results: Make) -> None:
    examined = examine(make_results([ASKED, {}]), EMNIFY)
    assert dict(examined.select("row", "after").rows()) == {
        2: "Activated+Enabled, customer_org_id=77",
        3: "Activated+Enabled",
    }


@pytest.mark.parametrize(
    ("row", "steps"),
    [
        ({"first": "endpoint"}, "endpoint Enabled, then SIM Activated with customer_org_id=42"),
        ({"sim_before": "Activated", "endpoint_step": False, "first": "sim"}, "SIM customer_org_id=42"),
        ({"owners_before": "customer_org_id=42", "first": "endpoint"}, "endpoint Enabled, then SIM Activated"),
    ],
)
def test_a_plan_names_what_each_call_changes(tmp_path: Path, row: dict[str, object], steps: str) -> None:
    usual: dict[str, Any] = {
        "row": 2,
        "sim_id": "1",
        "endpoint_id": "101",
        "sim_before": "Issued",
        "endpoint_before": "Disabled",
        "desired": "activated",
        "sim_after": "Activated",
        "endpoint_after": "Enabled",
        "owners_before": "customer_org_id=none",
        "owners_after": "customer_org_id=42",
        "sim_step": True,
        "endpoint_step": True,
        "action": "change",
        "reason": "",
        "newly_billed": True,
    }
    write_plan(pl.DataFrame([{**usual, **row}], schema=empty(Plan).schema), tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(encoding="utf-8-sig", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["steps"] == steps
    assert list(line)[-2:] == ["owners_before", "owners_after"]


# The report's other formats


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a run that gave two SIMs to somebody else, and a home that remembers it."""
    with Emulator([Group(3)], path_limits=False) as emulator:
        desk = Desk(emulator, tmp_path / "home")
        file = desk.file(
            "sim_id,status,customer_org_id", f"{SIM},activated,42", f"{SIM + 1},,none", f"{SIM + 2},activated,"
        )
        document = desk.request(file, change_owners=True)
    assert document["exit_code"] == 0
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    return str(document["run_id"])


EXPECTED = [
    ("customer_org_id=42", "customer_org_id=4711", "customer_org_id=42"),
    ("customer_org_id=none", "customer_org_id=4711", "customer_org_id=none"),
    (None, None, None),
]


def exported(run_id: str, form: ReportFormat) -> list[tuple[str | None, ...]]:
    """The owner columns of the devices, from the file that was written."""
    settings = load()
    with closing(Ledger.open(settings.ledger())) as ledger:
        path = audit_report.export_run(ledger, settings, run_id, form)
    if form is ReportFormat.XLSX:
        sheet = read_workbook(path)["devices"]
        assert set(COLUMNS) <= set(sheet.columns)
        return [tuple(line[name].text if name in line else None for name in COLUMNS) for line in sheet.rows]
    if form is ReportFormat.JSON:
        return [tuple(line[name] for name in COLUMNS) for line in json.loads(path.read_text())["devices"]]
    if form is ReportFormat.PARQUET:
        return pl.read_parquet(path / "devices.parquet").select(COLUMNS).rows()
    with (path / "devices.csv").open(encoding="utf-8-sig", newline="") as file:
        return [tuple(line[name] or None for name in COLUMNS) for line in csv.DictReader(file)]


@pytest.mark.parametrize("form", [ReportFormat.XLSX, ReportFormat.JSON, ReportFormat.PARQUET, ReportFormat.CSV])
def test_every_format_has_the_owners_of_each_device(run: str, form: ReportFormat) -> None:
    assert exported(run, form) == EXPECTED


def test_the_page_written_again_from_the_record_still_shows_them(run: str) -> None:
    path = load().runs_folder / run / "report.html"
    assert "customer_org_id=42" in path.read_text()
    path.unlink()
    report.write_page(run, as_json=True)
    assert "Issued+Disabled, customer_org_id=none" in path.read_text()

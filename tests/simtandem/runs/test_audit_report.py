"""Reports of runs against an emulated carrier: the same numbers in every format."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.parameters import ReportFormat
from schemas.statuses import EndpointStatus, Outcome, SimStatus, Target, Verdict
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunRecord
from simtandem.ledger.store import Ledger
from simtandem.runs import audit_report
from simtandem.settings import Settings
from tests.simtandem.reports.reading_back import read_workbook
from tests.simtandem.runs.emulated import Desk

FLEET = [
    Group(sim=SimStatus.ACTIVATED, endpoint=EndpointStatus.ENABLED, sim_id=12, endpoint_id=112),
    *(Group(sim=SimStatus.SUSPENDED, endpoint=EndpointStatus.DISABLED, sim_id=n) for n in (11, 13, 14)),
    Group(sim=SimStatus.FACTORY_TEST, endpoint=EndpointStatus.ENABLED, sim_id=15),
]
ROWS = ["11,activated", "12,suspended", "13,activated", "11,activated", "15,suspended", "=1+1,activated"]
NUMBERS = [
    "rows",
    "invalid",
    "devices",
    "unchanged",
    "refused",
    "sim_changes",
    "endpoint_changes",
    "newly_billed",
    "calls",
    "calls_retried",
    "calls_throttled",
    *(f"outcome_{word}" for word in Outcome),
    *(f"verdict_{word}" for word in Verdict),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Mapping[str, Any], Mapping[str, Any]]]:
    """A run with something of everything, and its undo. The first change of a SIM is throttled once."""
    home = tmp_path_factory.mktemp("told") / "home"
    home.mkdir()
    (home / "=dépôt.csv").write_text("\n".join(["sim_id,status", *ROWS]))
    with Emulator(FLEET) as emulator:
        desk = Desk(emulator, home)
        emulator.inject(FaultRule(FaultKind.TOO_MANY, method="PATCH", path="/sim/", times=1, retry_after=1))
        run = desk.request(str(home / "=dépôt.csv"))
        yield desk, run, desk.undo(run["run_id"])


@pytest.fixture
def settings(told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]]) -> Settings:
    return told[0].settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with closing(Ledger.open(settings.ledger())) as opened:
        yield opened


def of_document(document: Mapping[str, Any]) -> dict[str, int]:
    """The numbers of a run as its document has them, which is what the page shows. A word it leaves out counts 0."""
    calls = document["calls"]
    return {
        "rows": document["input"]["rows"],
        "invalid": document["input"]["invalid"],
        **{name: document["plan"][name] for name in NUMBERS[2:8]},
        "calls": calls["total"],
        "calls_retried": calls["retried"],
        "calls_throttled": calls["throttled"],
        **dict.fromkeys((f"outcome_{word}" for word in Outcome), 0),
        **{f"outcome_{word}": count for word, count in document["outcomes"].items()},
        **{f"verdict_{word}": count for word, count in document["verdicts"].items()},
    }


def read_tables(path: Path, form: ReportFormat) -> dict[str, list[dict[str, str]]]:
    """Every table of a report as text, whatever its format."""
    if form is ReportFormat.XLSX:
        sheets = read_workbook(path)
        return {
            name: [
                {column: row[column].text if column in row else "" for column in sheet.columns} for row in sheet.rows
            ]
            for name, sheet in sheets.items()
        }
    if form is ReportFormat.JSON:
        document = json.loads(path.read_text())
        return {name: [_texts(row) for row in rows] for name, rows in document.items() if isinstance(rows, list)}
    if form is ReportFormat.PARQUET:
        return {file.stem: [_texts(row) for row in pl.read_parquet(file).to_dicts()] for file in path.iterdir()}
    tables = {}
    for file in path.iterdir():
        with file.open(encoding="utf-8-sig", newline="") as lines:
            tables[file.stem] = [{k: v.removeprefix("'") for k, v in row.items()} for row in csv.DictReader(lines)]
    return tables


def _texts(row: dict[str, object]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in row.items()}


FILES = [form for form in ReportFormat if form is not ReportFormat.HTML]


@pytest.mark.parametrize("form", FILES)
def test_every_format_has_the_numbers_of_the_document(
    told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]], ledger: Ledger, settings: Settings, form: ReportFormat
) -> None:
    for document in told[1:]:
        expected = of_document(document)
        assert sum(count for name, count in expected.items() if name.startswith("verdict")) == expected["rows"]
        tables = read_tables(audit_report.export_run(ledger, settings, document["run_id"], form), form)
        (run,) = tables["runs"]
        assert {name: int(float(run[name])) for name in NUMBERS} == expected
        assert run["digest"] == document["digest"]
        assert run["sha256"] == document["input"]["sha256"]
        assert run["file"] == document["input"]["file"]
        verdicts = Counter(line["verdict"] for line in tables["devices"])
        assert verdicts == Counter({word: n for word, n in document["verdicts"].items() if n})
        assert len(tables["calls"]) == expected["calls"]
        assert len(tables["invalid"]) == expected["invalid"]


def test_the_run_of_these_tests_has_something_of_everything(
    told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]],
) -> None:
    numbers = of_document(told[1])
    assert numbers["invalid"] == 1
    assert numbers["refused"] == 1
    assert numbers["calls_throttled"] >= 1
    assert numbers["calls_retried"] >= 1
    assert numbers["verdict_in_sync"] == 4
    assert told[1]["input"]["file"] == "=dépôt.csv"


def test_the_page_of_the_run_has_them_too(told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]]) -> None:
    html = Path(told[1]["files"]["report"]).read_text()
    shown = {key: float(value) for key, value in re.findall(r'data-key="([^"]+)" data-value="([^"]+)"', html)}
    numbers = of_document(told[1])
    assert shown["input.rows"] == numbers["rows"]
    assert shown["calls.total"] == numbers["calls"]
    for word in Verdict:
        assert shown[f"verdicts.{word}"] == numbers[f"verdict_{word}"]


def test_the_page_of_the_period_has_them_too(
    told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]], ledger: Ledger, settings: Settings
) -> None:
    today = datetime.now(UTC).date()
    written = audit_report.export_period(ledger, settings, today - timedelta(days=1), today, [ReportFormat.HTML])
    assert written["runs"] == 2
    page = Path(written["files"]["html"])
    html = page.read_text()
    for document in told[1:]:
        found = dict(re.findall(rf'data-run="{document["run_id"]}" data-key="([^"]+)" data-value="([^"]*)"', html))
        numbers = of_document(document)
        assert {name: int(value) for name, value in found.items()} == {name: numbers[name] for name in found}
        assert set(found) == {"rows", "verdict_in_sync", "calls"}
        link = re.search(rf'href="([^"]+{document["run_id"]}/report\.html)"', html)
        assert link
        assert (page.parent / link[1]).resolve().exists()
    total = re.search(r'data-key="totals.calls" data-value="(\d+)"', html)
    assert total
    assert int(total[1]) == sum(of_document(document)["calls"] for document in told[1:])
    assert "src=" not in html
    assert "://" not in html


@pytest.mark.parametrize("form", FILES)
def test_a_period_holds_its_runs_one_after_the_other(
    told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]], ledger: Ledger, settings: Settings, form: ReportFormat
) -> None:
    today = datetime.now(UTC).date()
    written = audit_report.export_period(ledger, settings, today - timedelta(days=1), today, [form])
    tables = read_tables(Path(written["files"][form]), form)
    assert [run["run_id"] for run in tables["runs"]] == [document["run_id"] for document in told[1:]]
    assert len(tables["devices"]) == sum(document["input"]["rows"] for document in told[1:])
    assert {line["run_id"] for line in tables["calls"]} == {document["run_id"] for document in told[1:]}


def test_ids_are_text_in_the_workbook(
    told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]], ledger: Ledger, settings: Settings
) -> None:
    path = audit_report.export_run(ledger, settings, told[1]["run_id"], ReportFormat.XLSX)
    sheets = read_workbook(path)
    assert {sheet.frozen_rows for sheet in sheets.values()} == {1}
    assert {sheet.formulas for sheet in sheets.values()} == {0}
    for name in ("sim_id", "iccid", "endpoint_id"):
        assert {row[name].kind for row in sheets["devices"].rows if name in row} == {"inlineStr"}
    assert sheets["runs"].rows[0]["file"].kind == "inlineStr"
    assert {row["row"].kind for row in sheets["devices"].rows} == {"n"}


def test_money_is_shown_only_where_a_rate_is_set(
    told: tuple[Desk, Mapping[str, Any], Mapping[str, Any]], ledger: Ledger, settings: Settings
) -> None:
    run_id = told[1]["run_id"]
    plain = pl.read_parquet(audit_report.export_run(ledger, settings, run_id, ReportFormat.PARQUET) / "runs.parquet")
    assert plain.select("monthly_rate", "monthly_change", "newly_charged", "no_longer_charged").rows() == [
        (None, None, 2, 1)
    ]
    priced = settings.model_copy(update={"monthly_rate": Decimal("2.5"), "currency": "EUR"})
    priced_run = pl.read_parquet(audit_report.export_run(ledger, priced, run_id, ReportFormat.PARQUET) / "runs.parquet")
    assert priced_run.select("monthly_change", "currency").rows() == [(2.5, "EUR")]


def test_a_run_that_was_killed_is_reported_by_its_record(tmp_path: Path) -> None:
    with Emulator(FLEET) as emulator:
        desk = Desk(emulator, tmp_path / "home")
        killed = desk.apply({11: Target.ACTIVATED, 99: Target.ACTIVATED}, stop_before_reconciling=True)
        with closing(Ledger.open(desk.settings.ledger())) as ledger:
            folder = audit_report.export_run(ledger, desk.settings, killed["run_id"], ReportFormat.PARQUET)
    devices = pl.read_parquet(folder / "devices.parquet")
    assert devices.select("sim_id", "before", "sim_outcome", "verdict").rows() == [
        ("11", "Suspended+Disabled", "applied", "in_sync"),
        ("99", "", None, "refused"),
    ]
    run = pl.read_parquet(folder / "runs.parquet").row(0, named=True)
    assert (run["outcome_applied"], run["devices"], run["exit_code"]) == (2, 2, None)


@pytest.fixture
def days(tmp_path: Path) -> Iterator[Ledger]:
    """Runs at the edges of February 2026, in UTC."""
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite")) as opened:
        for name, when in {
            "before": datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
            "first": datetime(2026, 2, 1, tzinfo=UTC),
            "last": datetime(2026, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC),
            "after": datetime(2026, 3, 1, tzinfo=UTC),
        }.items():
            opened.start_run(
                RunRecord(name, RunKind.PLAN, "emnify", "host", "<b>=1.csv", "", 1, 0, {}, "ada", "vm", 1, when)
            )
        yield opened


def test_a_period_begins_and_ends_with_its_days(days: Ledger) -> None:
    runs = audit_report.runs_between(days, date(2026, 2, 1), date(2026, 2, 28))
    assert [run.record.run_id for run in runs] == ["first", "last"]


def test_a_period_without_runs_is_a_report_all_the_same(days: Ledger, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    told = audit_report.export_period(days, settings, date(2025, 1, 1), date(2025, 1, 31), list(ReportFormat))
    assert told["runs"] == 0
    assert "None in this period" in Path(told["files"]["html"]).read_text()
    assert read_workbook(Path(told["files"]["xlsx"]))["runs"].rows == []


def test_what_a_file_is_called_can_not_enter_the_page(days: Ledger, tmp_path: Path) -> None:
    told = audit_report.export_period(
        days, Settings(home=tmp_path), date(2026, 2, 1), date(2026, 2, 28), [ReportFormat.HTML]
    )
    html = Path(told["files"]["html"]).read_text()
    assert "&lt;b&gt;=1.csv" in html
    assert "<b>=1" not in html


def test_a_period_that_ends_before_it_begins_is_refused(days: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ends before"):
        audit_report.export_period(days, Settings(home=tmp_path), date(2026, 2, 2), date(2026, 2, 1), [])


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 3, 1), date(2026, 2, 1), date(2026, 2, 28)),
        (date(2026, 3, 31), date(2026, 2, 1), date(2026, 2, 28)),
        (date(2026, 1, 15), date(2025, 12, 1), date(2025, 12, 31)),
        (date(2024, 3, 1), date(2024, 2, 1), date(2024, 2, 29)),
    ],
)
def test_the_last_calendar_month(today: date, first: date, last: date) -> None:
    assert audit_report.last_month(today) == (first, last)

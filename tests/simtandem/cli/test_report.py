import json
from typing import Any

import pytest

from schemas.parameters import Mode, ReportFormat
from simtandem.cli import report, retry
from simtandem.errors import AuthenticationFailed, InputError
from simtandem.settings import load
from tests.simtandem.cli.past_runs import Past


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_report_is_made_again_from_the_ledger_by_the_beginning_of_an_id(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = past.run("1,activated\n2,activated\n")
    page = load().runs_folder / run_id / "report.html"
    page.unlink()
    capsys.readouterr()
    report.write_page(run_id[:-2], as_json=False)
    assert capsys.readouterr().out.strip() == str(page)
    assert run_id in page.read_text()
    report.write_page(run_id, as_json=True)
    assert shown(capsys)["verdicts"]["in_sync"] == 2


def test_a_run_that_an_error_ended_after_its_report_still_has_one(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = past.run("1,activated\n", error=AuthenticationFailed("revoked"))
    capsys.readouterr()
    report.write_page(run_id, as_json=True)
    assert shown(capsys)["run_id"] == run_id


def test_a_plan_has_nothing_to_report(past: Past) -> None:
    run_id = past.run("1,activated\n", mode=Mode.PLAN)
    with pytest.raises(InputError, match="nothing to report"):
        report.write_page(run_id, as_json=False)


def test_a_run_nobody_knows_is_told_so(past: Past) -> None:
    for look in (retry.open_rows, lambda run: report.write_page(run, as_json=False)):
        with pytest.raises(InputError, match="no run"):
            look("20200101T000000")


@pytest.mark.parametrize(("word", "message"), [("pdf", "not a format"), ("", "not a format")])
def test_an_unknown_format_is_an_input_error(word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        report.format_of(word)


def test_a_day_that_is_none_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"--since 31\.3\.2026"):
        report.write_period("31.3.2026", None, ReportFormat.JSON, as_json=True)
    with pytest.raises(InputError, match="--until needs --since"):
        report.write_period(None, "2026-03-31", ReportFormat.JSON, as_json=True)

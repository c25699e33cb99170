"""The page of an audit."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.statuses import Cause, Finding
from schemas.tables import Explained, Findings, empty
from simtandem.reports import audit_page

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FILES = {
    "findings": Path("/x/findings.csv"),
    "changes": Path("/x/changes.csv"),
    "repair-drifted": Path("/x/repair-drifted.csv"),
}


class Reader(HTMLParser):
    """Takes a page apart: its tags, the addresses in it, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.policy = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.policy += (
            dict(attrs).get("content", "") or "" if ("http-equiv", "Content-Security-Policy") in attrs else ""
        )
        self.addresses += [str(value) for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["style"], ["script"]):
            self.text += data + " "


def told(**changed: object) -> dict[str, Any]:
    counts = dict.fromkeys([finding.value for finding in Finding], 0) | {"drifted": 2}
    return {
        "run_id": "r-1",
        "carrier_host": "cdn.emnify.net",
        "sims": 1200,
        "endpoints": 1100,
        "whole": True,
        "listed_at": NOW.isoformat(),
        "findings": counts,
        "devices": 2,
        "repairable": {"drifted": 1},
        "trend": counts | {"drifted": -3},
        "causes": dict.fromkeys([cause.value for cause in Cause], 0) | {"somebody": 7},
        "never_managed": 5,
        "no_longer_listed": 6,
        "calls": {"total": 9},
        "seconds": 12.0,
        "cost": {
            "per_month": "0.90",
            "currency": "EUR",
            "by_finding": dict.fromkeys(counts, "0.45"),
            "basis": "an estimate: x",
        },
    } | changed


def findings(count: int = 2, **more: object) -> pl.DataFrame:
    values = {
        "finding": "drifted",
        "sim_id": "1",
        "iccid": "8988303000000000001",
        "endpoint_id": None,
        "now": "Suspended+Enabled",
        "expected": "Activated+Enabled",
        "charged": False,
        "since": NOW,
        "known_from": "an event",
        "repair": None,
        "remedy": "look",
        "explanation": "who knows",
    } | more
    return Findings.validate(pl.DataFrame([values] * count, schema=empty(Findings).schema, orient="row"))


def explained(cause: Cause = Cause.SOMEBODY, explanation: str = "by API") -> pl.DataFrame:
    values = {
        "half": "sim",
        "ident": "1",
        "sim_id": "1",
        "before": "a",
        "after": "b",
        "since": NOW,
        "seen": NOW,
        "cause": cause,
        "explanation": explanation,
    }
    return Explained.validate(pl.DataFrame([values], schema=empty(Explained).schema, orient="row"))


def page(
    told_: dict[str, Any] | None = None,
    *,
    rows: pl.DataFrame | None = None,
    changes: pl.DataFrame | None = None,
    earlier: Sequence[dict[str, Any]] = (),
) -> Reader:
    return Reader(
        audit_page.render(
            told_ or told(),
            findings() if rows is None else rows,
            explained() if changes is None else changes,
            FILES,
            earlier,
        )
    )


def test_the_page_says_what_was_found_what_it_costs_and_what_repairs_it() -> None:
    read = page()

    assert "2 devices with findings in 1,200 SIMs and 1,100 endpoints" in read.text
    assert "Drifted 2 -3 0.45 repair-drifted.csv (1 row)" in read.text
    assert "0.90 EUR a month, an estimate: x" in read.text
    assert "by someone else (API or Portal) 7" in read.text
    assert "2026-03-01 12:00:00 UTC an event" in read.text
    assert "8988303000000000001" in read.text


def test_without_a_rate_and_without_an_earlier_audit_the_page_says_so() -> None:
    read = page(told(cost=None, trend=None, whole=False))

    assert "SIMTANDEM_MONTHLY_RATE is not set" in read.text
    assert "first audit" in read.text
    assert "kept changing while it was listed" in read.text
    assert "kept changing" not in page().text


def test_the_page_fetches_nothing_and_runs_its_own_script_alone() -> None:
    read = page()

    assert set(read.addresses) == {"./findings.csv", "./changes.csv", "./repair-drifted.csv", "#content", "data:,"}
    assert not {"img", "iframe"} & set(read.tags)
    assert read.tags.count("script") == 1
    assert read.policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "script-src 'sha256-" in read.policy


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_what_others_wrote_stays_text(text: str) -> None:
    read = page(rows=findings(explanation=text), changes=explained(explanation=text))

    assert read.text.count(text) == 3
    assert "img" not in read.tags
    assert read.tags.count("script") == 1


def test_changes_by_simtandem_are_counted_and_not_listed() -> None:
    assert "by API" in page().text
    assert "by API" not in page(changes=explained(Cause.OURS)).text


def test_a_large_fleet_shows_the_first_rows_of_each_kind() -> None:
    many = told(findings=told()["findings"] | {"drifted": 600})
    read = page(many, rows=findings(600))

    assert "Drifted 600" in read.text
    assert "The first 500 devices" in read.text
    assert read.tags.count("tr") < 530


def test_split_pairs_and_money_are_drawn_over_the_audits_before() -> None:
    counts = told()["findings"]
    before = [
        told(
            listed_at=(NOW - timedelta(days=days)).isoformat(),
            findings=counts | {"paying_but_off": 40 + days},
            cost=told()["cost"] | {"per_month": f"{days}.50"},
        )
        for days in (2, 1)
    ]

    read = page(told(findings=counts | {"paying_but_off": 7}), earlier=before)

    assert "3 values from 2026-02-27 12:00:00 to 2026-03-01 12:00:00 UTC, between 7 and 42." in read.text
    assert "Charged for nothing a month: 0.90 EUR" in read.text
    assert "highest 2.50 EUR" in read.text


def test_an_audit_without_a_rate_draws_no_money() -> None:
    assert "Charged for nothing a month" not in page(told(cost=None)).text


def test_findings_are_counted_by_age() -> None:
    rows = pl.concat([findings(1, since=NOW - timedelta(days=days)) for days in (0, 3, 40)] + [findings(2, since=None)])

    read = page(rows=rows)

    assert "less than a day 1 1 to 7 days 1 8 to 30 days 0 more than 30 days 1 not known 2" in read.text


def test_what_costs_money_is_repaired_first_by_a_command_to_copy() -> None:
    files = {
        **FILES,
        "repair-paying_but_off": Path("/a home/repair-paying_but_off.csv"),
    }
    counts = told()["findings"] | {"paying_but_off": 3}
    read = Reader(
        audit_page.render(
            told(findings=counts, repairable={"drifted": 1, "paying_but_off": 3}), findings(), explained(), files
        )
    )

    first, second = read.text.index("Paying but off: 3 devices"), read.text.index("Drifted: 2 devices")
    assert first < second
    assert "simtandem apply '/a home/repair-paying_but_off.csv'" in read.text
    assert "No status ends it for the other 1" in read.text
    assert read.tags.count("button") == 2


def test_an_audit_of_sims_without_endpoints_lists_no_findings_of_pairs() -> None:
    read = page(told(carrier="aeradmin"))
    assert "Drifted" in read.text
    assert all(name not in read.text for name in ("Paying but off", "On but dead", "without endpoint", "without SIM"))


def test_an_audit_that_found_nothing_says_so() -> None:
    read = page(told(findings=dict.fromkeys(told()["findings"], 0)), rows=findings(0))

    assert "Nothing found" in read.text


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    audit_page.write(tmp_path / "audit.html", told(), findings(), explained(), FILES)

    assert (tmp_path / "audit.html").read_text(encoding="utf-8").endswith("</html>")

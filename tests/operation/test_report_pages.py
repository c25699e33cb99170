"""The pages of runs, audits and periods in a browser: accessible, complete on paper, and nothing is fetched."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from schemas.statuses import Cause, Finding
from schemas.tables import Explained, Findings, Rejected, Results, empty
from simtandem.reports import audit_page, page_shell, period_page, run_page
from simtandem.reports.report_tables import RUNS
from simtandem.reports.run_document import PlanCounts, document

pytestmark = pytest.mark.timeout(300)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHA = "ab" * 32
PAGES = ("run", "audit", "period")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and unattended nothing is left out")
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three pages of a fleet with something of everything."""
    folder = tmp_path_factory.mktemp("pages")
    for name, html in (("run", run_html()), ("audit", audit_html()), ("period", period_html())):
        page_shell.write(folder / f"{name}.html", html)
    return folder


def run_html() -> str:
    usual = {
        "iccid": "8988303000000001234",
        "desired": "activated",
        "before": "Suspended+Disabled",
        "after": "Activated+Enabled",
        "sim_outcome": "applied",
        "endpoint_outcome": "applied",
        "verdict": "in_sync",
        "reason": "",
        "attempts": 2,
        "http_status": 204,
        "error": "",
    }
    special: list[dict[str, object]] = [
        {"verdict": "failed", "after": "Activated+Disabled", "endpoint_outcome": "failed", "error": "HTTP 503"},
        {"verdict": "skipped", "after": "Suspended+Disabled", "sim_outcome": "held", "endpoint_outcome": "held"},
        {"verdict": "changed_by_others", "reason": "changed by someone else"},
        *({} for _ in range(150)),
    ]
    rows = [{"row": n, "sim_id": str(n), "endpoint_id": str(n), **usual, **each} for n, each in enumerate(special, 2)]
    results = Results.validate(pl.DataFrame(rows, schema=empty(Results).schema))
    plan: PlanCounts = {
        "devices": results.height,
        "sim_changes": 3,
        "endpoint_changes": 3,
        "unchanged": 3,
        "refused": 0,
        "calls": 9,
        "eta_s": 15.0,
        "newly_billed": 3,
        "owner_changes": 0,
        "targets": {"activated": results.height},
    }
    told = document(
        run_id="20260301T091502-4dab68",
        carrier="emnify",
        digest="3e87db8d7cc87f0f",
        exit_code=1,
        account="default",
        input={"file": "depot-7.csv", "sha256": SHA, "rows": results.height, "invalid": 0},
        plan=plan,
        outcomes=Counter(results["sim_outcome"].to_list() + results["endpoint_outcome"].to_list()),
        verdicts=Counter(results["verdict"].to_list()),
        calls={"total": 90, "retried": 3, "throttled": 2},
        seconds=95.2,
        files={"results": "results.csv"},
    )
    calls = pl.DataFrame(
        {
            "at": [NOW + timedelta(seconds=n) for n in range(90)],
            "method": "PATCH",
            "path": "/api/v1/sim/1",
            "purpose": "change",
            "attempt": 1,
            "status": [429 if n == 7 else None if n == 50 else 204 for n in range(90)],
            "seconds": 0.2,
            "fault": "",
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    return run_page.render(
        told, results, rejected=empty(Rejected), calls=calls, title="simtandem run 1", started=NOW, finished=NOW
    )


def told_by_audit(days_ago: int) -> dict[str, Any]:
    counts = {finding.value: 3 + days_ago for finding in Finding}
    return {
        "run_id": "20260301T120000-abcdef",
        "carrier_host": "cdn.emnify.net",
        "sims": 1200,
        "endpoints": 1100,
        "whole": False,
        "without_status": 1,
        "listed_at": (NOW - timedelta(days=days_ago)).isoformat(),
        "findings": counts,
        "repairable": counts,
        "trend": counts,
        "causes": {cause.value: 2 for cause in Cause},
        "never_managed": 5,
        "no_longer_listed": 6,
        "calls": {"total": 9},
        "seconds": 12.0,
        "cost": {"per_month": "0.90", "currency": "EUR", "by_finding": dict.fromkeys(counts, "0.45"), "basis": "x"},
    }


def audit_html() -> str:
    findings = pl.concat(
        [
            pl.DataFrame(
                {
                    "finding": [finding.value] * 30,
                    "sim_id": "1",
                    "iccid": "8988303000000000001",
                    "now": "Activated+Disabled",
                    "expected": "",
                    "charged": True,
                    "since": NOW - timedelta(days=place * 9),
                    "known_from": "an event",
                    "remedy": "suspend it, or enable its endpoint",
                    "explanation": "by someone else (API or Portal)",
                }
            )
            for place, finding in enumerate(Finding)
        ]
    )
    schema = empty(Findings).schema
    whole = findings.with_columns(endpoint_id=pl.lit(None), repair=pl.lit(None))
    files = {name: Path(f"/home/{name}.csv") for name in ("findings", "changes", "repair-paying_but_off")}
    return audit_page.render(
        told_by_audit(0),
        whole.select(pl.col(name).cast(kind) for name, kind in schema.items()),
        empty(Explained),
        files,
        [told_by_audit(days) for days in range(9, 0, -1)],
    )


def period_html() -> str:
    runs = [
        dict.fromkeys(RUNS)
        | {
            "run_id": f"20260214T0915{n:02}-4dab68",
            "kind": "apply",
            "state": "finished",
            "started_at": datetime(2026, 2, 1 + n, tzinfo=UTC),
            "carrier": "emnify",
            "carrier_host": "cdn.emnify.net",
            "os_user": "ada",
            "file": "depot-7.csv",
            "sha256": SHA,
            "digest": "3e87db8d7cc87f0f",
            "rows": 100,
            "verdict_in_sync": 90,
            "verdict_failed": 4,
            "verdict_refused": 3,
            "verdict_skipped": 3,
            "asked_by": "ada@example.com",
            "calls": 120,
        }
        for n in range(12)
    ]
    days = (date(2026, 2, 1), date(2026, 2, 28))
    return period_page.render(pl.DataFrame(runs, schema=RUNS), {}, days, [told_by_audit(3), told_by_audit(2)])


def opened(browser: Browser, pages: Path, name: str, width: int, scheme: str = "light") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Europe/Berlin",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    page.goto((pages / f"{name}.html").as_uri())
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier_and_fits(browser: Browser, pages: Path, name: str, width: int, scheme: str) -> None:
    page = opened(browser, pages, name, width, scheme)

    found = Axe().run(page).response["violations"]

    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


def test_every_column_of_the_runs_of_a_period_is_in_sight(browser: Browser, pages: Path) -> None:
    page = opened(browser, pages, "period", 1280)

    assert page.locator(".scroll").evaluate("each => each.scrollWidth - each.clientWidth") == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_for_anything(browser: Browser, pages: Path, name: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto((pages / f"{name}.html").as_uri())
    page.wait_for_timeout(200)

    assert [url for url in asked if not url.startswith("data:")] == [(pages / f"{name}.html").as_uri()]
    assert said == []


@pytest.mark.parametrize("name", PAGES)
def test_a_command_is_copied_by_its_button(browser: Browser, pages: Path, name: str) -> None:
    page = opened(browser, pages, name, 390)
    button = page.locator(".copy").first

    button.click()

    expect(button).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("simtandem ")
    assert copied == button.get_attribute("data-copy")


def test_a_time_stands_in_utc_and_in_the_readers_zone(browser: Browser, pages: Path) -> None:
    page = opened(browser, pages, "audit", 1280)

    expect(page.locator("dd", has=page.locator("time"))).to_have_text(
        "2026-03-01 12:00:00 UTC2026-03-01 13:00:00 GMT+1"
    )


def test_paper_shows_every_device_list(browser: Browser, pages: Path) -> None:
    page = opened(browser, pages, "audit", 1280)
    row = page.locator("section[aria-labelledby=drifted] tbody tr").last
    expect(row).to_be_hidden()

    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(row).to_be_visible()

    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(row).to_be_hidden()


@pytest.mark.parametrize("name", ["run", "period"])
def test_paper_shows_the_whole_sha_256(browser: Browser, pages: Path, name: str) -> None:
    page = opened(browser, pages, name, 1280)
    digest = page.locator(f".digest[title='{SHA}']").first
    expect(digest).to_have_text(SHA[:12])

    page.emulate_media(media="print")

    shown = digest.evaluate("element => getComputedStyle(element, '::after').content")
    assert shown == f'"{SHA}"'

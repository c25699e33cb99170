"""The work of an operator in Prefect's UI, in a browser without a head.

Screenshots go to `tests/operation/screenshots/`; with SIMTANDEM_TEST_DOCS set, those that `docs/operations.md` shows
go to `docs/images/` as well.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect, sync_playwright
from playwright.sync_api import Error as BrowserError

from schemas.statuses import SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.operation.conftest import HOOK
from tests.operation.foreign_page import ForeignPage
from tests.operation.sinks import Webhook
from tests.operation.site import FIRST, Site, pasted, until

pytestmark = pytest.mark.timeout(600)
Fill = Callable[..., None]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
HERE = Path(__file__).parent
SHOTS = HERE / "screenshots"
DOCS = HERE.parents[1] / "docs" / "images"
PATIENCE_MS = 120_000.0
AT_ONCE_MS = 3_000.0  # for a click that is tried again
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and unattended nothing is left out")
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A browser that is logged in, as the operator's is."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(site.link())
    expect(page.get_by_role("link", name="bulk-update").first).to_be_visible()
    yield page
    context.close()


def shoot(page: Page, name: str, *, for_docs: int = 0) -> None:
    """Keep what is seen now; so many lines of it from the top for the documents, if asked for."""
    page.wait_for_timeout(400)  # for what slides and fades
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")
    if for_docs and os.environ.get("SIMTANDEM_TEST_DOCS"):
        DOCS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=DOCS / f"{name}.png", clip=FloatRect(x=0, y=0, width=1100, height=for_docs))


def open_form(page: Page, site: Site) -> None:
    """From the list of deployments to the form of bulk-update, once the worker asks for runs."""
    until(lambda: site.get("/work_pools/simtandem/queues/changes")["status"] == "READY", "the worker asks for runs")
    page.goto(f"{site.address}/v2/deployments")
    page.get_by_role("link", name="bulk-update").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("Custom")).click()
    expect(page.get_by_role("textbox", name="Device CSV")).to_be_visible()


def choose(page: Page, what: str, option: str) -> None:
    """Choose from a drop-down, again where the page was drawn anew under the click."""
    closed = page.get_by_role("button", name=f"Select {what}")
    offered = page.get_by_role("option", name=option, exact=True)

    def chosen() -> bool:
        try:
            if not offered.is_visible():
                closed.click(timeout=AT_ONCE_MS)
            offered.click(timeout=AT_ONCE_MS)
            expect(offered).to_be_hidden(timeout=AT_ONCE_MS)
            expect(closed).to_have_text(option, timeout=AT_ONCE_MS)
        except (BrowserError, AssertionError):
            return False
        return True

    until(chosen, f"{option} is chosen for {what}")


def submit(page: Page, site: Site) -> str:
    """Start what the form says, and go to the run; its id."""
    before = {each["id"] for each in site.runs("bulk-update")}
    new: list[str] = []

    def there() -> bool:
        new.extend(each["id"] for each in site.runs("bulk-update") if each["id"] not in before)
        return new != []

    page.get_by_role("button", name="Submit").click()
    until(there, "a run")
    show_run(page, site, new[0])
    return new[0]


def show_run(page: Page, site: Site, run: str) -> None:
    page.goto(f"{site.address}/v2/runs/flow-run/{run}")
    expect(page.get_by_role("tab", name="Artifacts")).to_be_visible()


def show_artifact(page: Page, site: Site, run: str, name: str) -> None:
    """Open one of the run's artifacts, from the run's page as it is once the artifact is there."""
    until(lambda: any(each.startswith(name) for each in site.artifacts(run)), f"artifact {name}")
    show_run(page, site, run)
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_role("link", name=re.compile(name)).first.click()
    expect(page.get_by_text("Show Raw Data").or_(page.get_by_role("table").first).first).to_be_visible()


def test_a_plan_is_made_in_the_form_and_read_on_the_page(
    page: Page, site: Site, fleet: Fill, emulator: Emulator
) -> None:
    fleet(Group(8), Group(3, SimStatus.FACTORY_TEST))
    before = site.runs("bulk-update")
    open_form(page, site)
    page.get_by_role("textbox", name="Device CSV").fill(
        pasted(8, "activated", f"{FIRST + 8},suspended", "depot 7,activated")
    )
    size = page.get_by_role("spinbutton", name=re.compile("Batch size"))
    size.fill("5000")
    page.get_by_role("button", name="Submit").click()
    assert size.evaluate("field => field.validationMessage") == "Value must be less than or equal to 2000."
    assert page.url.split("?")[0].endswith("/run"), "the form stays open"
    assert len(site.runs("bulk-update")) == len(before)
    shoot(page, "a-wrong-value")
    size.fill("500")
    page.get_by_role("textbox", name="Device CSV").scroll_into_view_if_needed()
    page.get_by_role("main").evaluate("main => main.scrollIntoView()")
    shoot(page, "form", for_docs=900)

    run = submit(page, site)
    expect(page.get_by_text("Rows refused").first).to_be_visible()
    expect(page.get_by_text("plan activated, suspended · 9 devices · pasted.csv").first).to_be_visible()
    page.get_by_role("tab", name="Details").click()
    expect(page.get_by_text(re.compile(r"Activate \d+ \(.* First: row 10"))).to_be_visible()
    show_artifact(page, site, run, "The plan")
    expect(page.get_by_role("row", name="SIMs to change 8")).to_be_visible()
    shoot(page, "plan", for_docs=740)
    show_artifact(page, site, run, "Plan by device")
    expect(page.get_by_title(re.compile("depot 7"))).to_be_visible()
    shoot(page, "refused", for_docs=420)
    assert emulator.stats()["sim_patches"] == 0


def test_a_run_that_asks_is_approved_in_the_form_and_completes(
    page: Page, site: Site, fleet: Fill, emulator: Emulator
) -> None:
    fleet(Group(20, SimStatus.SUSPENDED))
    open_form(page, site)
    page.get_by_role("textbox", name="Device CSV").fill("\n".join(["sim_id", *(str(FIRST + n) for n in range(20))]))
    choose(page, "Status", "activated")
    choose(page, "Mode", "apply")
    page.get_by_role("switch", name=re.compile("Ask before sending")).click()
    run = submit(page, site)
    expect(page.get_by_text("Suspended", exact=True).first).to_be_visible()
    assert emulator.stats()["sim_patches"] == 0
    show_artifact(page, site, run, "Approval")
    expect(page.get_by_role("heading", name="Waits for approval of plan")).to_be_visible()

    show_run(page, site, run)
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_text("Activate 20 (20 newly billed)")).to_be_visible()
    choose(page, "Decision", "approve")
    form.get_by_role("textbox", name="Who decides").fill("Ada Lovelace")
    form.get_by_role("textbox", name=re.compile("Why")).fill("Depot 7 opens on Monday")
    shoot(page, "approval", for_docs=900)
    form.get_by_role("button", name="Resume").click()
    expect(form).to_be_hidden()
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    show_artifact(page, site, run, "The result")
    expect(page.get_by_role("heading", name="20 of 20 rows are in sync")).to_be_visible()
    shoot(page, "result", for_docs=425)
    show_run(page, site, run)
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_role("link", name=re.compile("Progress: 20 of 20 devices"))).to_be_visible()
    shoot(page, "run", for_docs=900)
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 20}


def test_a_result_is_opened_and_downloaded_from_the_ui(page: Page, site: Site, fleet: Fill, tmp_path: Path) -> None:
    fleet(Group(3), Group(1, SimStatus.FACTORY_TEST))
    run = site.begin(file=pasted(3, "activated", f"{FIRST + 3},suspended", "=1+1,activated"), mode="apply")
    site.reaches(run)
    show_artifact(page, site, run, "Result by device")
    expect(page.get_by_role("row").nth(1)).to_contain_text("refused")
    shoot(page, "result-by-device")
    show_artifact(page, site, run, "The result")
    assert str(site.home) not in str(site.artifacts(run)), "no path on a disk is shown"
    page.get_by_role("link", name="report.html").click()
    expect(page.get_by_text("Files of this run", exact=True)).to_be_visible()
    assert re.fullmatch(rf"{site.address}/simtandem/runs/[^/]+/report.html", page.url), "no secret is in the address"
    assert page.evaluate("self.origin") == "null", "the page can't reach the UI's login"
    shoot(page, "report-in-the-browser")
    page.get_by_role("button", name="Copy").first.click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="results.csv").click()
    downloading.value.save_as(tmp_path / "results.csv")
    kept = [each.read_bytes() for each in (site.home / "runs").glob("*/results.csv")]
    assert (tmp_path / "results.csv").read_bytes() in kept
    expect(page.get_by_text("results.csv is downloaded.")).to_be_visible()
    shoot(page, "download")
    page.get_by_role("link", name="All files of this run").click()
    expect(page.get_by_role("link", name="plan.csv")).to_be_visible()
    page.get_by_role("link", name="report.html").click()
    expect(page.get_by_text("Files of this run", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_text("Files of this run", exact=True)).to_be_visible()


def test_a_person_on_another_machine_follows_the_link_of_a_notification(
    browser: Browser, site: Site, fleet: Fill, webhook: Webhook, person: Callable[[str], tuple[str, str]]
) -> None:
    fleet(Group(2))
    run = site.begin(file=pasted(2), mode="apply")
    site.reaches(run, "Completed")
    place = f"{site.address}/simtandem/flow-runs/{run}/"
    until(lambda: any(place in str(each) for each in webhook.told), "the link is in the notification")
    user, secret = person("eve")
    elsewhere = browser.new_context(viewport={"width": 390, "height": 800})
    page = elsewhere.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(place)
    expect(page.get_by_text("Log in to see this.")).to_be_visible()
    assert "report.html" not in page.content()
    shoot(page, "files-log-in")
    for typed, seen in (("eve:guessed", "This login is not valid"), (f"{user}:{secret}", "report.html")):
        page.get_by_label("Your credential").fill(typed)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text(seen)).to_be_visible()
    shoot(page, "files")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="plan.csv").click()
    assert downloading.value.suggested_filename == "plan.csv"
    page.goto(place)
    page.get_by_role("link", name="report.html").click()
    expect(page.get_by_text("Files of this run", exact=True)).to_be_visible()
    page.goto(f"{site.address}/v2/deployments")
    expect(page.get_by_role("link", name="bulk-update").first).to_be_visible()
    elsewhere.close()


def test_a_page_of_somebody_else_gets_nothing_though_the_browser_is_logged_in(page: Page, site: Site) -> None:
    bulk, before = site.deployment("bulk-update"), len(site.runs("bulk-update"))
    with ForeignPage(site.address, bulk["id"]) as foreign:
        other = page.context.new_page()
        other.goto(f"{foreign.address}/")
        told = other.evaluate("all()")
        framed = other.frames[1].evaluate("document.body ? document.body.innerText : ''")
        other.goto(f"{foreign.address}/api/")
        other.close()
    assert {name for name, _ in told} >= {"blocks", "plain", "run", "plain run", "job", "page", "health", "storage"}
    assert {said for _, said in told} == {""}
    assert "Deployments" not in framed
    assert HOOK in str(site.post("/block_documents/filter", include_secrets=True)), "that is what would be read"
    assert len(site.runs("bulk-update")) == before
    assert site.deployment("bulk-update")["job_variables"] == bulk["job_variables"]
    [cookie] = [cookie for path, cookie in foreign.fetched if path == "/api/"]
    assert "simtandem-" in cookie, "browsers send cookies to every port, so a cookie alone opens nothing"
    answer = page.request.post(f"{site.address}/api/block_documents/filter", data={}, headers={"Cookie": cookie})
    assert answer.status == 401


def test_a_browser_that_is_not_logged_in_is_asked_to(browser: Browser, site: Site) -> None:
    stranger = browser.new_page()
    stranger.goto(f"{site.address}/v2/deployments")
    expect(stranger.get_by_role("button", name="Login")).to_be_visible(timeout=PATIENCE_MS)
    link = site.link()
    stranger.goto(link)
    expect(stranger.get_by_role("link", name="bulk-update").first).to_be_visible(timeout=PATIENCE_MS)
    stranger.close()
    late = browser.new_page()
    late.goto(link)
    expect(late.get_by_text("This link was used already")).to_be_visible(timeout=PATIENCE_MS)
    late.close()


def test_pages_of_the_ui_call_nobody_else(page: Page, site: Site) -> None:
    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    with ForeignPage(site.address, "") as foreign:
        picture = f"![A picture]({foreign.address}/picture.png) <img src='{foreign.address}/other.png'>"
        made = site.post("/artifacts/", type="markdown", key="pictures", data=f"{picture}\n\nThe words.")
        page.goto(f"{site.address}/v2/artifacts/artifact/{made['id']}")
        expect(page.get_by_text("The words.").first).to_be_visible()
        page.goto(f"{site.address}/v2/dashboard")
        expect(page.get_by_text("Active Work Pools")).to_be_visible()
        page.wait_for_timeout(2_000)
    assert foreign.fetched == []
    assert [url for url in answered if not url.startswith((f"{site.address}/", "data:", "blob:"))] == []
    assert len(answered) > 20

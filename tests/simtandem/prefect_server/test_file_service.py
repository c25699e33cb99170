"""What a browser gets that follows a link to a file, and what it takes to get the file itself."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from simtandem.prefect_server.file_service import Tickets
from simtandem.prefect_server.guard import Guard, Names
from simtandem.prefect_server.people import People
from tests.simtandem.prefect_server.test_guard import CREDENTIAL, HERE, OWN, Prefect, ask, basic

RUN = "20260301T140000-abc123"
PAGE, TABLE = f"/simtandem/runs/{RUN}/report.html", f"/simtandem/runs/{RUN}/results.csv"
API = "/api/simtandem/files/runs/"
SECRET = "what the run left"


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def guard(prefect: Prefect, tmp_path: Path) -> Guard:
    folder = tmp_path / "runs" / RUN
    folder.mkdir(parents=True)
    for name in ("report.html", "results.csv"):
        (folder / name).write_text(SECRET)
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "auth").write_text(CREDENTIAL)
    return Guard(prefect, CREDENTIAL, Names(), tmp_path / "prefect", own=OWN, cookie="simtandem-4200")


async def ticket(guard: Guard, path: str, credential: str = CREDENTIAL) -> str:
    answer = await ask(guard, path, "POST", authorization=basic(credential))
    assert answer.status == 200
    return answer.body


async def test_a_link_alone_shows_nothing_and_not_even_whether_it_leads_anywhere(guard: Guard) -> None:
    pages = [await ask(guard, path) for path in (PAGE, TABLE, f"/simtandem/runs/{RUN}/none.csv", "/simtandem/runs/x")]
    assert {each.status for each in pages} == {200}
    assert len({each.body for each in pages}) == 1
    assert SECRET not in pages[0].body
    assert "script-src 'self'" in pages[0].headers["content-security-policy"]


@pytest.mark.parametrize("header", ["", basic("simtandem:wrong"), basic("ada:wrong"), "Bearer x"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT"])
async def test_without_a_credential_nobody_gets_a_ticket_a_file_or_a_list(
    guard: Guard, prefect: Prefect, header: str, method: str
) -> None:
    for path in (f"{API}{RUN}/report.html", f"{API}{RUN}/", f"/api/simtandem/files/flow-runs/{uuid4()}/"):
        assert (await ask(guard, path, method, authorization=header)).status == 401
    assert prefect.asked == []


async def test_a_ticket_opens_its_file_once(guard: Guard) -> None:
    given = await ticket(guard, f"{API}{RUN}/report.html")
    other = await ask(guard, TABLE, "POST", body=f"ticket={given}")
    assert (other.status, other.headers["location"]) == (303, TABLE), "it is another file's"
    given = await ticket(guard, f"{API}{RUN}/report.html")
    shown = await ask(guard, PAGE, "POST", body=f"ticket={given}", origin=f"http://{HERE}")
    assert (shown.status, shown.body) == (200, SECRET)
    again = await ask(guard, PAGE, "POST", body=f"ticket={given}")
    assert (again.status, again.body) == (303, "")
    for nothing in ("", "ticket=", "ticket=x", "x" * 5000):
        assert (await ask(guard, PAGE, "POST", body=nothing)).status == 303


async def test_a_person_with_a_credential_of_their_own_gets_the_file(guard: Guard, tmp_path: Path) -> None:
    ada = People(tmp_path / "prefect").add("ada")
    given = await ticket(guard, f"{API}{RUN}/results.csv", ada)
    saved = await ask(guard, TABLE, "POST", body=f"ticket={given}")
    assert saved.body == SECRET
    assert saved.headers["content-disposition"] == 'attachment; filename="results.csv"'
    People(tmp_path / "prefect").remove("ada")
    assert (await ask(guard, f"{API}{RUN}/results.csv", "POST", authorization=basic(ada))).status == 401


async def test_a_program_gets_the_file_at_once(guard: Guard) -> None:
    answer = await ask(guard, f"{API}{RUN}/results.csv", authorization=basic(OWN))
    assert (answer.body, answer.headers["content-type"]) == (SECRET, "text/csv; charset=utf-8")


async def test_a_page_is_shown_without_the_origin_of_the_server(guard: Guard) -> None:
    given = await ticket(guard, f"{API}{RUN}/report.html")
    headers = (await ask(guard, PAGE, "POST", body=f"ticket={given}")).headers
    sandbox = headers["content-security-policy"].rpartition("sandbox ")[2].split()
    assert "allow-scripts" in sandbox
    assert not {"allow-same-origin", "allow-top-navigation", "allow-forms"} & set(sandbox)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "connect-src" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert headers["content-disposition"].startswith("inline")
    assert "cross-origin-opener-policy" not in headers, "with a sandbox a browser would show nothing"


async def test_no_page_elsewhere_gets_a_ticket_or_a_file(guard: Guard) -> None:
    mine = {"authorization": basic(CREDENTIAL)}
    for how in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}):
        assert (await ask(guard, f"{API}{RUN}/report.html", "POST", **mine, **how)).status == 403
    visit = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert (await ask(guard, f"{API}{RUN}/report.html", **mine, **visit)).status == 403
    assert (await ask(guard, PAGE, **visit)).status == 200, "a link in a mail leads to the page that asks"
    assert (await ask(guard, PAGE, host="evil.example")).status == 421


@pytest.mark.parametrize(
    "path", ["../prefect/auth", f"{RUN}/../../prefect/auth", f"{RUN}/work/x.csv", f"{RUN}/none.csv"]
)
async def test_what_was_not_left_there_is_not_found(guard: Guard, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await ask(guard, f"{API}{path}", method, authorization=basic(CREDENTIAL))
        assert (answer.status, CREDENTIAL in answer.body) == (404, False)


async def test_a_folder_and_a_flow_run_are_listed(guard: Guard) -> None:
    flow_run = str(uuid4())
    guard.files.files.note(flow_run, f"runs/{RUN}/", timedelta(days=90))
    for path in (f"{API}{RUN}/", f"/api/simtandem/files/flow-runs/{flow_run}/"):
        answer = await ask(guard, path, authorization=basic(CREDENTIAL))
        assert json.loads(answer.body) == [{"folder": f"runs/{RUN}/", "names": ["report.html", "results.csv"]}]
    for path, status in (
        (f"/api/simtandem/files/flow-runs/{uuid4()}/", 200),
        ("/api/simtandem/files/flow-runs/x/", 404),
    ):
        assert (await ask(guard, path, authorization=basic(CREDENTIAL))).status == status


def test_a_ticket_is_good_for_a_minute_and_no_more_are_kept_than_needed() -> None:
    now = [0.0]
    tickets = Tickets(lambda: now[0])
    given = tickets.issue("a")
    now[0] = 61.0
    assert not tickets.redeem(given, "a")
    first = tickets.issue("a")
    for _ in range(1_000):
        tickets.issue("b")
    assert not tickets.redeem(first, "a"), "the oldest go"
    assert tickets.redeem(tickets.issue("c"), "c")

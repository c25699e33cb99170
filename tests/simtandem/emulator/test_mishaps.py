"""Every kind of fault, as a real client meets it."""

import json
from pathlib import Path

import httpx
import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM = 10_000_001
ACTIVATE = {"status": {"id": 1}}


def activate(client: httpx.Client, sim: int = SIM) -> httpx.Response:
    return client.patch(f"/api/v1/sim/{sim}", json=ACTIVATE)


def sim_status(emulator: Emulator, sim: int = SIM) -> SimStatus:
    return emulator.fleet.sims[sim].status


@pytest.fixture(autouse=True)
def devices(emulator: Emulator) -> None:
    emulator.refill([Group(10)])


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize("status", [500, 503])
def test_json_error_hides_whether_the_call_was_carried_out(
    emulator: Emulator, client: httpx.Client, status: int, processed: bool
) -> None:
    emulator.inject(FaultRule(FaultKind.ERROR, "PATCH", status=status, times=1, processed=processed))
    answer = activate(client)
    assert (answer.status_code, answer.json()["error_code"]) == (status, 1601)
    assert sim_status(emulator) is (SimStatus.ACTIVATED if processed else SimStatus.ISSUED)


def test_html_page_of_the_edge(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.HTML, times=1))
    answer = activate(client)
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<html>")
    assert sim_status(emulator) is SimStatus.ISSUED


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(
    ("kind", "error"), [(FaultKind.RESET, httpx.ReadError), (FaultKind.CLOSE, httpx.RemoteProtocolError)]
)
def test_connection_ends_without_an_answer(
    emulator: Emulator, client: httpx.Client, kind: FaultKind, error: type[Exception], processed: bool
) -> None:
    emulator.inject(FaultRule(kind, "PATCH", times=1, processed=processed))
    with pytest.raises(error):
        activate(client)
    assert sim_status(emulator) is (SimStatus.ACTIVATED if processed else SimStatus.ISSUED)
    assert client.get(f"/api/v1/sim/{SIM}").status_code == 200
    assert emulator.stats(log=True)["log"][-2][1:] == ["PATCH /api/v1/sim/{id}", 0]


@pytest.mark.parametrize("processed", [False, True])
def test_caller_who_gives_up_on_a_hanging_call_does_not_know_what_became_of_it(
    emulator: Emulator, client: httpx.Client, processed: bool
) -> None:
    emulator.inject(FaultRule(FaultKind.HANG, "PATCH", seconds=30, times=1, processed=processed))
    with pytest.raises(httpx.ReadTimeout):
        client.patch(f"/api/v1/sim/{SIM}", json=ACTIVATE, timeout=0.5)
    assert client.get(f"/api/v1/sim/{SIM}").json()["status"]["id"] == int(processed)


@pytest.mark.parametrize("processed", [False, True])
def test_caller_who_waits_long_enough_gets_the_answer(
    emulator: Emulator, client: httpx.Client, processed: bool
) -> None:
    emulator.inject(FaultRule(FaultKind.HANG, "PATCH", seconds=0.05, times=1, processed=processed))
    assert activate(client).status_code == 204
    assert sim_status(emulator) is SimStatus.ACTIVATED
    assert emulator.stats()["sim_patches"] == 1


def test_truncated_body_is_a_protocol_error(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.TRUNCATED, path="/sim$", times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/api/v1/sim")
    assert len(client.get("/api/v1/sim").json()) == 10


def test_cut_json_has_a_right_length_and_does_not_parse(emulator: Emulator, client: httpx.Client) -> None:
    whole = client.get("/api/v1/sim").content
    emulator.inject(FaultRule(FaultKind.CUT_JSON, times=1))
    answer = client.get("/api/v1/sim")
    assert answer.status_code == 200
    assert answer.content == whole[: len(whole) // 2]
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_malformed_json(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.MALFORMED_JSON, times=1))
    answer = client.get("/api/v1/sim")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED, FaultKind.CUT_JSON, FaultKind.MALFORMED_JSON])
def test_answer_without_body_can_not_be_damaged(emulator: Emulator, client: httpx.Client, kind: FaultKind) -> None:
    emulator.inject(FaultRule(kind))
    assert activate(client).status_code == 204


@pytest.mark.parametrize("retry_after", [None, 7, 0.5, -3, "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_stray_429_comes_without_a_reason_and_with_any_retry_after(
    emulator: Emulator, client: httpx.Client, retry_after: float | str | None
) -> None:
    emulator.inject(FaultRule(FaultKind.TOO_MANY, "PATCH", times=1, retry_after=retry_after))
    answer = activate(client)
    assert (answer.status_code, answer.json()["error_code"]) == (429, 1105)
    assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert sim_status(emulator) is SimStatus.ISSUED
    assert emulator.stats()["throttled"] == 0


ENDPOINT = 20_000_001
BULK = "/api/v2/endpoint/multi"


@pytest.mark.parametrize(
    ("status", "code", "token"),
    [(404, 1401, "InvalidReference"), (404, 1601, "Unavailable"), (409, 1405, "Duplicated")],
)
def test_ids_are_refused_with_a_chosen_status_and_code(
    emulator: Emulator, client: httpx.Client, status: int, code: int, token: str
) -> None:
    emulator.inject(FaultRule(FaultKind.REFUSED, "PATCH", status=status, code=code, ids=(SIM + 1,), message="no"))
    assert activate(client).status_code == 204
    answer = activate(client, SIM + 1)
    assert answer.status_code == status
    assert answer.json() == {"error_code": code, "error_token": token, "message": "no"}
    assert sim_status(emulator, SIM + 1) is SimStatus.ISSUED


def test_ids_are_unknown_where_nothing_else_is_said(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.REFUSED, ids=(SIM + 1, ENDPOINT + 1)))
    assert client.get(f"/api/v1/sim/{SIM + 1}").json()["message"] == f"SIM with Id '{SIM + 1}' not found."
    answer = client.get(f"/api/v1/endpoint/{ENDPOINT + 1}")
    assert (answer.status_code, answer.json()["error_code"]) == (404, 1401)
    assert answer.json()["message"] == f"Endpoint with Id '{ENDPOINT + 1}' not found."
    assert len(client.get("/api/v1/sim").json()) == 10


def test_refusal_may_come_with_an_empty_body(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.REFUSED, status=422, code=0, ids=(SIM,)))
    answer = activate(client)
    assert (answer.status_code, answer.content) == (422, b"")


@pytest.mark.parametrize(("bulk", "enabled"), [("atomic", []), ("partial", [ENDPOINT, ENDPOINT + 2])])
def test_bulk_call_with_a_refused_row_is_refused_whole_or_in_part(
    emulator: Emulator, client: httpx.Client, bulk: str, enabled: list[int]
) -> None:
    emulator.configure(bulk=bulk)
    emulator.inject(FaultRule(FaultKind.REFUSED, "PATCH", status=422, code=1403, ids=(ENDPOINT + 1,)))
    rows = [{"id": ENDPOINT + each, "status": {"id": 0}} for each in range(3)]
    assert client.patch(BULK, json=rows).status_code == 422
    assert [each.id for each in emulator.fleet.endpoints.values() if each.status == "Enabled"] == enabled
    assert client.patch(BULK, json=[rows[2] | {"name": "x"}]).status_code == (204 if bulk == "atomic" else 422)


def test_answer_without_its_paging_headers(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.BARE, path="/sim$", times=1))
    bare, whole = client.get("/api/v1/sim"), client.get("/api/v1/sim")
    assert bare.json() == whole.json()
    assert set(whole.headers) - set(bare.headers) >= {"x-total-count", "x-total-pages", "x-sort", "link"}


def test_revoked_token_stays_revoked_until_a_new_login(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.REVOKED, "PATCH", times=1))
    assert activate(client).status_code == 401
    assert client.get("/api/v1/sim").status_code == 401
    token = client.post("/api/v1/authenticate", json={"application_token": emulator.token}).json()["auth_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    assert activate(client).status_code == 204


@pytest.mark.parametrize("listing", ["sim", "endpoint"])
def test_row_inserted_between_pages_makes_a_row_show_twice(
    emulator: Emulator, client: httpx.Client, listing: str
) -> None:
    emulator.inject(FaultRule(FaultKind.INSERT_FIRST, path=f"/{listing}$", times=1))
    pages = [client.get(f"/api/v1/{listing}?per_page=4&page={page}") for page in (1, 2, 3)]
    ids = [[item["id"] for item in page.json()] for page in pages]
    assert ids[0][-1] == ids[1][0]
    assert [page.headers["X-Total-Count"] for page in pages] == ["10", "11", "11"]


@pytest.mark.parametrize("listing", ["sim", "endpoint"])
def test_row_deleted_between_pages_makes_a_row_never_show(
    emulator: Emulator, client: httpx.Client, listing: str
) -> None:
    all_ids = {item["id"] for item in client.get(f"/api/v1/{listing}").json()}
    emulator.inject(FaultRule(FaultKind.DELETE_FIRST, path=f"/{listing}$", times=1))
    pages = [client.get(f"/api/v1/{listing}?per_page=4&page={page}") for page in (1, 2, 3)]
    seen = {item["id"] for page in pages for item in page.json()}
    assert len(all_ids - seen) == 1
    assert [page.headers["X-Total-Count"] for page in pages] == ["10", "9", "9"]


def test_every_kind_of_fault_is_shown_here() -> None:
    source = Path(__file__).read_text()
    assert [kind for kind in FaultKind if f"FaultKind.{kind.name}" not in source] == []

"""Paging, order and filters of the listings, over a real connection."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import with_luhn
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()]


def paging(answer: httpx.Response) -> list[int]:
    names = ("X-Total-Count", "X-Total-Pages", "X-Current-Page", "X-Count-Per-Page")
    return [int(answer.headers[name]) for name in names]


def test_pages_hold_the_whole_listing_once_and_in_order(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(25)])
    for path, first in (("/api/v1/sim", SIM), ("/api/v1/endpoint", ENDPOINT)):
        pages = [client.get(path, params={"page": page, "per_page": 10}) for page in (1, 2, 3)]
        assert [each for page in pages for each in ids(page)] == list(range(first, first + 25))
        assert [paging(page) for page in pages] == [[25, 3, 1, 10], [25, 3, 2, 10], [25, 3, 3, 10]]


def test_page_past_the_end_is_the_last_page_again(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(25)])
    last, beyond = (client.get("/api/v1/sim", params={"page": page, "per_page": 10}) for page in (3, 99))
    assert ids(beyond) == ids(last)
    assert paging(beyond) == [25, 3, 3, 10]


@pytest.mark.parametrize(
    ("path", "asked", "got"),
    [
        ("/api/v1/sim", None, 2000),
        ("/api/v1/sim", 2500, 2500),
        ("/api/v1/sim", 9999, 2500),
        ("/api/v1/endpoint", None, 1000),
        ("/api/v1/endpoint", 2500, 1000),
    ],
)
def test_page_size_has_its_default_and_is_lowered_silently(
    emulator: Emulator, client: httpx.Client, path: str, asked: int | None, got: int
) -> None:
    emulator.refill([Group(2600)])
    answer = client.get(path, params={} if asked is None else {"per_page": asked})
    assert len(ids(answer)) == got
    assert paging(answer) == [2600, -(-2600 // got), 1, got]


def test_empty_listing_has_no_pages(client: httpx.Client) -> None:
    answer = client.get("/api/v1/sim")
    assert ids(answer) == []
    assert paging(answer) == [0, 0, 1, 2000]


@pytest.mark.parametrize(("sort", "down"), [("id", False), ("%2Bid", False), ("+id", False), ("-id", True)])
def test_listing_goes_up_or_down(emulator: Emulator, client: httpx.Client, sort: str, down: bool) -> None:
    emulator.refill([Group(3)])
    assert ids(client.get(f"/api/v1/sim?sort={sort}")) == sorted(range(SIM, SIM + 3), reverse=down)
    assert ids(client.get(f"/api/v1/endpoint?sort={sort}")) == sorted(range(ENDPOINT, ENDPOINT + 3), reverse=down)


def test_listing_sorts_by_several_fields(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2, SimStatus.ACTIVATED), Group(2)])
    assert ids(client.get("/api/v1/sim?sort=status,-id")) == [SIM + 3, SIM + 2, SIM + 1, SIM]


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=0", "per_page=-5", "sort=colour"])
def test_wrong_paging_or_order_is_400(client: httpx.Client, query: str) -> None:
    for path in ("/api/v1/sim", "/api/v1/endpoint", "/api/v1/event"):
        assert client.get(f"{path}?{query}").status_code == 400


@pytest.mark.parametrize("query", ["colour:red", "status", "status:"])
def test_wrong_filter_is_422(client: httpx.Client, query: str) -> None:
    for path in ("/api/v1/sim", "/api/v1/endpoint", "/api/v1/event"):
        assert client.get(path, params={"q": query}).status_code == 422


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status:1", [SIM + 1, SIM + 2]),
        ("status:4", []),
        (f"id:{SIM + 1}", [SIM + 1]),
        (f"id:{SIM + 1},status:0", []),
        ("iccid:8988303000010000003", [SIM + 2]),
        ("iccid:89883030000100000", []),
        (f"iccid_with_luhn:{with_luhn('8988303000010000003')}", [SIM + 2]),
        (f"endpoint:{ENDPOINT + 1}", [SIM + 1]),
        (f"endpoint:{ENDPOINT + 2}", []),
        ("endpoint:none", []),
    ],
)
def test_sims_are_filtered(emulator: Emulator, client: httpx.Client, query: str, found: list[int]) -> None:
    emulator.refill([Group(), Group(1, SimStatus.ACTIVATED), Group(1, SimStatus.ACTIVATED, None)])
    answer = client.get("/api/v1/sim", params={"q": query})
    assert ids(answer) == found
    assert paging(answer)[0] == len(found)


def test_check_digit_of_a_filter_must_be_right(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group()])
    right = with_luhn("8988303000010000001")
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    assert ids(client.get("/api/v1/sim", params={"q": f"iccid_with_luhn:{right}"})) == [SIM]
    assert ids(client.get("/api/v1/sim", params={"q": f"iccid_with_luhn:{wrong}"})) == []


def test_endpoints_are_filtered(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2), Group(1, None, EndpointStatus.ENABLED)])
    assert ids(client.get("/api/v1/endpoint?q=status:0")) == [ENDPOINT + 2]
    assert ids(client.get(f"/api/v1/endpoint?q=id:{ENDPOINT},status:1")) == [ENDPOINT]
    assert ids(client.get(f"/api/v1/endpoint?q=name:device-{ENDPOINT + 1}")) == [ENDPOINT + 1]


def test_filtered_listing_follows_the_fleet(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2)])
    assert ids(client.get("/api/v1/sim?q=status:1")) == []
    client.patch(f"/api/v1/sim/{SIM}", json={"status": {"id": 1}})
    assert ids(client.get("/api/v1/sim?q=status:1")) == [SIM]
    emulator.change(lambda fleet: fleet.drift_delete_sim(SIM))
    assert ids(client.get("/api/v1/sim?q=status:1")) == []


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def start(emulator: Emulator, clock: Any) -> float:
    """Three events a minute apart, of types 8, 9 and 8, the first at the time given back."""
    emulator.refill([Group(1, SimStatus.ISSUED)])
    begin: float = clock.now
    for status in (SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.ACTIVATED):
        emulator.change(partial(Fleet.drift_sim, sim_id=SIM, status=status))
        clock.advance(60)
    return begin


def test_events_are_filtered_by_time_and_by_up_to_six_types(start: float, client: httpx.Client) -> None:
    def found(query: str) -> list[int]:
        return ids(client.get("/api/v1/event", params={"q": query}))

    assert found("type:8") == [1, 3]
    assert found("type:8|9|42") == [1, 2, 3]
    assert found("source:1") == []
    assert found(f"from:{stamp(start + 60)},until:{stamp(start + 120)},type:8|9") == [2, 3]
    assert found(f"from:{stamp(start)},until:{stamp(start + 59)}") == [1]
    too_many = client.get("/api/v1/event", params={"q": "type:1|2|3|4|5|6|7"})
    assert too_many.status_code == 422


@pytest.mark.parametrize("query", ["from:2025-01-01T00:00:00Z", "until:2025-01-01T00:00:00Z", "from:x,until:y"])
def test_events_want_from_and_until_both_and_as_dates(client: httpx.Client, query: str) -> None:
    assert client.get("/api/v1/event", params={"q": query}).status_code == 422


def test_events_are_paged_and_sorted(start: float, client: httpx.Client) -> None:
    answer = client.get("/api/v1/event?sort=-timestamp&per_page=2&page=2")
    assert ids(answer) == [1]
    assert paging(answer) == [3, 2, 2, 2]


def test_events_live_thirty_days(start: float, client: httpx.Client, clock: Any, emulator: Emulator) -> None:
    clock.advance(30 * 86_400 - 150)
    token = client.post("/api/v1/authenticate", json={"application_token": emulator.token}).json()["auth_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    assert ids(client.get("/api/v1/event")) == [2, 3]

"""The event log as callers read it, over a real connection."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from schemas.statuses import SimStatus
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


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def start(emulator: Emulator, clock: Any) -> float:
    """Three events a minute apart, of types 8, 9 and 8, the first at the time given back."""
    emulator.refill([Group(2, SimStatus.ISSUED)])
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


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("source:2,severity:0,alert:false", [1, 2, 3]),
        ("source:1", []),
        ("severity:1", []),
        ("alert:true", []),
        ("description:suspended", [2, 3]),
        ("organisation:organisation 4711", [1, 2, 3]),
        ("user:null", [1, 2, 3]),
        (f"endpoint:device-{ENDPOINT}|nobody", [1, 2, 3]),
        ("tags:null,imei:null", [1, 2, 3]),
        ("ip_address:100.113.45.1", [1, 2, 3]),
        ("iccid:8988303000010000001|1", [1, 2, 3]),
        ("iccid:8988303000010000002", []),
        (f"iccid_with_luhn:{with_luhn('8988303000010000001')}", [1, 2, 3]),
        ("imsi:901430010000001", [1, 2, 3]),
        ("timestamp:2025-06-15,type:9", [2]),
        ("network:Telekom|Vodafone", []),
        ("rat:6", []),
        ("country:Germany", []),
    ],
)
def test_events_are_filtered_by_everything_documented(
    start: float, client: httpx.Client, query: str, found: list[int]
) -> None:
    assert ids(client.get("/api/v1/event", params={"q": query})) == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("type", [1, 3, 2]),
        ("-type,-id", [2, 3, 1]),
        ("timestamp", [1, 2, 3]),
        ("source,severity,alert,organisation,user,endpoint,tags,ip_address,iccid,imsi,-id", [3, 2, 1]),
    ],
)
def test_events_are_sorted_by_everything_documented(
    start: float, client: httpx.Client, sort: str, found: list[int]
) -> None:
    assert ids(client.get(f"/api/v1/event?sort={sort}")) == found


def test_events_of_one_sim_or_endpoint(start: float, client: httpx.Client, emulator: Emulator) -> None:
    client.patch(f"/api/v1/endpoint/{ENDPOINT + 1}", json={"status": {"id": 0}})
    assert ids(client.get(f"/api/v1/sim/{SIM}/event?q=type:8&sort=-id")) == [3, 1]
    assert ids(client.get(f"/api/v1/sim/{SIM + 1}/event")) == [4]
    assert ids(client.get(f"/api/v1/endpoint/{ENDPOINT}/event")) == [1, 2, 3]
    assert ids(client.get(f"/api/v1/endpoint/{ENDPOINT + 1}/event")) == [4]


def test_events_of_an_unknown_id_are_none_but_an_id_must_be_a_number(client: httpx.Client) -> None:
    for what in ("sim", "endpoint"):
        assert ids(client.get(f"/api/v1/{what}/99/event")) == []
        answer = client.get(f"/api/v1/{what}/abc/event")
        assert (answer.status_code, answer.json()["error_code"]) == (400, 1000)


def test_event_types_are_listed(client: httpx.Client) -> None:
    types = {each["id"]: each["description"] for each in client.get("/api/v1/event/type").json()}
    assert len(types) == 46
    assert (types[8], types[43], types[67]) == ("SIM activation", "Endpoint disabled", "User switched workspace")
    assert (types[68], types[69]) == ("Reset connectivity", "SIM migration")


def test_an_event_keeps_what_its_endpoint_was_then(start: float, client: httpx.Client) -> None:
    client.patch(f"/api/v1/endpoint/{ENDPOINT}", json={"name": "pump", "tags": "a"})
    client.patch(f"/api/v1/endpoint/{ENDPOINT}", json={"status": {"id": 0}})
    client.patch(f"/api/v1/endpoint/{ENDPOINT}", json={"name": "valve"})
    event = client.get("/api/v1/event?sort=-id").json()[0]
    assert (event["endpoint"]["name"], event["endpoint"]["tags"], event["timestamp"][-1]) == ("pump", "a", "Z")
    assert ids(client.get("/api/v1/event?q=endpoint:pump")) == [4]

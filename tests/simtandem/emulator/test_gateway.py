"""Limits, latency and overlaps as a real client meets them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001
ACTIVATE = {"status": {"id": 1}}
ENABLE = {"status": {"id": 0}}


def activate(client: httpx.Client, sim: int = SIM) -> httpx.Response:
    return client.patch(f"/api/v1/sim/{sim}", json=ACTIVATE)


def sim_status(emulator: Emulator, sim: int = SIM) -> SimStatus:
    return emulator.fleet.sims[sim].status


@pytest.fixture(autouse=True)
def devices(emulator: Emulator) -> None:
    emulator.refill([Group(10)])


# Limits


def test_call_over_the_window_is_429_with_code_1105_and_let_through_when_the_window_has_moved_on(
    emulator: Emulator, client: httpx.Client, clock: Any
) -> None:
    emulator.configure(calls=3)  # the login was the first
    answers = [client.get(f"/api/v1/sim/{SIM}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error_code"] == 1105
    assert "Retry-After" not in answers[2].headers
    clock.advance(299.9)
    assert client.get(f"/api/v1/sim/{SIM}").status_code == 429
    clock.advance(0.1)
    assert client.get(f"/api/v1/sim/{SIM}").status_code == 200
    assert emulator.stats()["throttled"] == 2


def test_retry_after_is_sent_where_configured_and_is_long_enough(
    emulator: Emulator, client: httpx.Client, clock: Any
) -> None:
    emulator.configure(calls=1, calls_window_s=10, retry_after=True)
    clock.advance(2.5)
    answer = client.get(f"/api/v1/sim/{SIM}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "8")
    clock.advance(8)
    assert client.get(f"/api/v1/sim/{SIM}").status_code == 200


def test_logins_have_a_limit_of_their_own(emulator: Emulator, stranger: httpx.Client) -> None:
    emulator.configure(authenticate_calls=2)
    body = {"application_token": emulator.token}
    answers = [stranger.post("/api/v1/authenticate", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_listings_have_a_rate_and_a_burst(emulator: Emulator, client: httpx.Client, clock: Any) -> None:
    emulator.configure(path_limits=True)
    answers = [client.get("/api/v1/endpoint?per_page=1").status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert client.get("/api/v1/sim?per_page=1").status_code == 200
    clock.advance(0.1)
    assert client.get("/api/v1/endpoint?per_page=1").status_code == 200


def test_throttled_patch_changes_nothing(emulator: Emulator, client: httpx.Client) -> None:
    emulator.configure(calls=1)
    assert activate(client).status_code == 429
    assert sim_status(emulator) is SimStatus.ISSUED


def test_every_call_is_counted_by_route_and_status_with_its_time(
    emulator: Emulator, client: httpx.Client, clock: Any
) -> None:
    activate(client)
    clock.advance(301)
    client.get("/api/v1/sim/99")
    activate(client, SIM + 1)
    stats = emulator.stats(log=True)
    assert stats["calls"] == 4
    assert stats["by_route"] == {
        "GET /api/v1/sim/{id}": 1,
        "PATCH /api/v1/sim/{id}": 2,
        "POST /api/v1/authenticate": 1,
    }
    assert stats["by_status"] == {"200": 1, "204": 2, "404": 1}
    assert stats["most_calls_in_window"] == 2
    assert stats["log"][-1] == [clock.now, "PATCH /api/v1/sim/{id}", 204]


# Latency and overlaps


class CountedSleep:
    """A sleep that takes no time and remembers how long it should have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def test_every_call_takes_its_latency_and_a_bulk_call_more() -> None:
    sleep = CountedSleep()
    with (
        Emulator([Group()], sleep=sleep, latency_s=2, bulk_latency_s=5) as emulator,
        httpx.Client(base_url=emulator.url) as client,
    ):
        token = client.post("/api/v1/authenticate", json={"application_token": emulator.token}).json()["auth_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        client.patch("/api/v2/endpoint/multi", json=[{"id": ENDPOINT, **ENABLE}])
        activate(client)
    assert sleep.slept == [2, 7, 2]


class HeldSleep:
    """A sleep that lasts for as long as a test holds it."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.over.set()

    async def __call__(self, seconds: float) -> None:
        await self.over.wait()


@pytest.fixture
def held() -> HeldSleep:
    return HeldSleep()


@pytest.fixture
def slow(held: HeldSleep) -> Iterator[Emulator]:
    with Emulator([Group(10)], sleep=held) as emulator:
        yield emulator


@pytest.fixture
async def crowd(slow: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=slow.url, timeout=20) as crowd:
        answer = await crowd.post("/api/v1/authenticate", json={"application_token": slow.token})
        crowd.headers["Authorization"] = f"Bearer {answer.json()['auth_token']}"
        yield crowd


async def until_calls(emulator: Emulator, number: int) -> None:
    while emulator.stats()["calls"] < number:  # noqa: ASYNC110 - the server counts in another thread
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("setting", "second"), [("let_through", 204), ("refuse", 409)])
async def test_endpoint_writes_that_overlap_are_counted_and_answered_as_configured(
    slow: Emulator, crowd: httpx.AsyncClient, held: HeldSleep, setting: str, second: int
) -> None:
    slow.configure(overlapping_writes=setting)
    held.over.clear()
    single = asyncio.create_task(crowd.patch(f"/api/v1/endpoint/{ENDPOINT}", json=ENABLE))
    await until_calls(slow, 2)
    bulk = asyncio.create_task(crowd.patch("/api/v2/endpoint/multi", json=[{"id": ENDPOINT + 1, **ENABLE}]))
    await until_calls(slow, 3)
    assert slow.stats()["endpoint_write_overlaps"] == 1
    slow.change(lambda _: held.over.set())
    assert ((await single).status_code, (await bulk).status_code) == (204, second)


async def test_sim_writes_may_overlap(slow: Emulator, crowd: httpx.AsyncClient, held: HeldSleep) -> None:
    held.over.clear()
    patches = [asyncio.create_task(crowd.patch(f"/api/v1/sim/{SIM + each}", json=ACTIVATE)) for each in range(5)]
    await until_calls(slow, 6)
    slow.change(lambda _: held.over.set())
    assert [(await patch).status_code for patch in patches] == [204] * 5
    stats = slow.stats()
    assert (stats["endpoint_write_overlaps"], stats["most_in_flight"]) == (0, 5)


def test_endpoint_writes_one_after_the_other_are_no_overlap(emulator: Emulator, client: httpx.Client) -> None:
    for each in range(5):
        assert client.patch(f"/api/v1/endpoint/{ENDPOINT + each}", json=ENABLE).status_code == 204
    assert emulator.stats()["endpoint_write_overlaps"] == 0


def test_endpoint_write_that_hangs_in_a_fault_is_not_in_the_way_of_the_next(
    emulator: Emulator, client: httpx.Client
) -> None:
    emulator.inject(FaultRule(FaultKind.HANG, "PATCH", times=1, processed=True, seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        client.patch(f"/api/v1/endpoint/{ENDPOINT}", json=ENABLE, timeout=0.5)
    assert client.patch(f"/api/v1/endpoint/{ENDPOINT + 1}", json=ENABLE).status_code == 204
    assert emulator.stats()["endpoint_write_overlaps"] == 0


# Faults: which calls meet one


def test_nth_call_meets_the_fault_and_the_others_do_not(emulator: Emulator, client: httpx.Client) -> None:
    emulator.inject(FaultRule(FaultKind.ERROR, "PATCH", r"/sim/\d+$", every=3))
    assert [activate(client, SIM + each).status_code for each in range(6)] == [204, 204, 503, 204, 204, 503]
    assert emulator.stats()["faults"] == [{"kind": "error", "matched": 6, "fired": 2}]


def test_call_over_a_limit_never_meets_a_fault(emulator: Emulator, client: httpx.Client) -> None:
    emulator.configure(calls=1)
    emulator.inject(FaultRule(FaultKind.RESET))
    assert activate(client).status_code == 429

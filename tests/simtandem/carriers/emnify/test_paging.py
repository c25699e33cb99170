import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.carriers.emnify.paging import ENDPOINTS, SIMS, Reading, Route, read_page, read_rest
from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import CarrierRefused, CarrierUnavailable
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    Proxy,
    Rig,
    ScriptedCarrier,
    calls_to,
    emulated,
    says,
    scripted,
)

PAGING = ("X-Total-Count", "X-Total-Pages", "X-Current-Page", "X-Count-Per-Page")
LISTED = "GET /api/v1/endpoint"


async def read_all(rig: Rig, route: Route = ENDPOINTS) -> Reading:
    return await read_rest(rig.transport, route, await read_page(rig.transport, route, 1))


def ids(reading: Reading) -> list[int]:
    return sorted(int(each) for each in reading.rows["endpoint_id"])


@pytest.mark.parametrize(("devices", "pages"), [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (2000, 2), (3500, 4)])
async def test_listing_is_read_in_as_many_calls_as_it_has_pages(
    carrier: Emulator, rig: Rig, devices: int, pages: int
) -> None:
    carrier.refill([Group(devices)])
    reading = await read_all(rig)
    assert ids(reading) == carrier.fleet.endpoint_ids
    assert (reading.total, reading.complete) == (devices, True)
    assert calls_to(carrier) == {LISTED: pages}


async def test_sims_come_2500_a_page(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(5001)])
    reading = await read_all(rig, SIMS)
    assert reading.rows["sim_id"].n_unique() == reading.total == 5001
    assert calls_to(carrier) == {"GET /api/v1/sim": 3}


async def test_pages_are_asked_for_in_the_order_of_ids(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(5)])
    proxy = Proxy(per_page=2)
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        await read_all(rig)
        await read_page(rig.transport, SIMS, 1, q="status:1")
    assert proxy.queries[0] == {"page": "1", "per_page": "1000", "sort": "id"}
    assert sorted(query["page"] for query in proxy.queries[:3]) == ["1", "2", "3"]
    assert proxy.queries[3] == {"page": "1", "per_page": "2500", "sort": "id", "q": "status:1"}


@pytest.mark.parametrize("devices", [1, 6, 7, 8, 40])
async def test_pages_smaller_than_asked_for_are_read_to_the_end(
    tmp_path: Path, carrier: Emulator, devices: int
) -> None:
    carrier.refill([Group(devices)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7)) as rig:
        reading = await read_all(rig)
    assert ids(reading) == carrier.fleet.endpoint_ids
    assert reading.complete
    assert calls_to(carrier) == {LISTED: -(-devices // 7)}


@pytest.mark.parametrize("devices", [0, 1, 6, 7, 8, 14, 40])
async def test_without_headers_pages_are_read_until_one_brings_nothing_new(
    tmp_path: Path, carrier: Emulator, devices: int
) -> None:
    carrier.refill([Group(devices)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7, drops=PAGING)) as rig:
        reading = await read_all(rig)
    assert ids(reading) == carrier.fleet.endpoint_ids
    assert reading.total == devices
    assert calls_to(carrier) == {LISTED: -(-devices // 7) + 1}


async def test_number_of_pages_is_worked_out_where_only_that_header_is_missing(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(15)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7, drops=("X-Total-Pages",))) as rig:
        assert ids(await read_all(rig)) == carrier.fleet.endpoint_ids
    assert calls_to(carrier) == {LISTED: 3}


Happening = Callable[[Fleet], None]


def remove_first(fleet: Fleet) -> None:
    fleet.drift_delete_first("endpoint")


def add_first(fleet: Fleet) -> None:
    fleet.drift_insert_first("endpoint")


def remove_last(fleet: Fleet) -> None:
    fleet.drift_delete_endpoint(fleet.endpoint_ids[-1])


def add_last(fleet: Fleet) -> None:
    fleet.add_endpoint(EndpointStatus.DISABLED)


def swap_and_grow(fleet: Fleet) -> None:
    """As many different ids are seen as there are in the end, but not the same ones."""
    remove_first(fleet)
    add_last(fleet)
    add_last(fleet)


def often(step: Happening, times: int) -> Happening:
    def steps(fleet: Fleet) -> None:
        for _ in range(times):
            step(fleet)

    return steps


@pytest.mark.parametrize("after", [1, 3], ids=["after the first page", "in the midst"])
@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("step", [remove_first, add_first, remove_last, add_last, swap_and_grow])
async def test_listing_that_shifts_while_it_is_read_ends_complete(
    tmp_path: Path, carrier: Emulator, step: Happening, times: int, after: int
) -> None:
    carrier.refill([Group(98)])
    proxy = Proxy(per_page=7)
    proxy.after[after] = lambda: carrier.change(often(step, times))
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        reading = await read_all(rig)
    assert reading.complete
    assert ids(reading) == carrier.fleet.endpoint_ids
    assert reading.total == len(carrier.fleet.endpoint_ids)


async def test_listing_that_grows_is_followed_to_its_new_end(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(14)])
    proxy = Proxy(per_page=7)
    proxy.after[1] = lambda: carrier.change(often(add_last, 14))
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        reading = await read_all(rig)
    assert ids(reading) == carrier.fleet.endpoint_ids
    assert [query["page"] for query in proxy.queries[:2]] == ["1", "2"]
    assert sorted(query["page"] for query in proxy.queries[2:4]) == ["3", "4"]


class ForgetfulCarrier:
    """Counts what it had in its first reading, and gives out one fewer: the total says nothing of the removal."""

    def __init__(self) -> None:
        self.ids = list(range(1, 11))
        self.given = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json={"auth_token": "opaque"})
        page = int(request.url.params["page"])
        start = (page - 1) * 5
        items = [{"id": each, "status": {"id": 0}} for each in self.ids[start : start + 5]]
        self.given += 1
        total = 10 if self.given <= 2 else len(self.ids)
        self.ids = self.ids[1:] if self.given == 1 else self.ids
        return httpx.Response(200, json=items, headers={"X-Total-Count": str(total), "X-Total-Pages": "2"})


async def test_item_missed_under_an_unchanged_total_shows_in_the_count_of_different_ids(tmp_path: Path) -> None:
    carrier = ForgetfulCarrier()
    async with scripted(tmp_path, carrier) as rig:
        reading = await read_all(rig)
    assert (ids(reading), reading.complete) == (list(range(2, 11)), True)
    assert carrier.given == 4


async def test_listing_that_never_stands_still_ends_incomplete_with_all_that_was_seen(
    tmp_path: Path, carrier: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    carrier.refill([Group(30)])
    before = set(carrier.fleet.endpoint_ids)
    proxy = Proxy(per_page=7)
    proxy.after.update(dict.fromkeys(range(1, 200), lambda: carrier.change(remove_first)))
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        reading = await read_all(rig)
    assert not reading.complete
    assert set(carrier.fleet.endpoint_ids) <= set(ids(reading)) <= before
    assert reading.rows["endpoint_id"].is_unique().all()
    assert len(proxy.queries) <= 20
    assert "kept shifting" in caplog.text


async def test_of_an_item_seen_twice_the_later_state_counts(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(8, SimStatus.ISSUED, EndpointStatus.DISABLED)])
    seventh = FIRST_ENDPOINT + 6

    def happening(fleet: Fleet) -> None:
        fleet.drift_endpoint(seventh, EndpointStatus.ENABLED)
        add_first(fleet)

    proxy = Proxy(per_page=7, drops=PAGING)  # without headers nobody knows that it shifted
    proxy.after[1] = lambda: carrier.change(happening)
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        reading = await read_all(rig)
    statuses = dict(reading.rows.select("endpoint_id", "endpoint_status").iter_rows())
    assert (len(statuses), reading.rows.height) == (8, 8)
    assert statuses[str(seventh)] == EndpointStatus.ENABLED


@pytest.mark.parametrize("kind", [FaultKind.INSERT_FIRST, FaultKind.DELETE_FIRST])
async def test_shifts_of_the_emulator_in_the_middle_of_a_large_listing(
    carrier: Emulator, rig: Rig, kind: FaultKind
) -> None:
    carrier.refill([Group(3500)])
    carrier.inject(FaultRule(kind, method="GET", path="/endpoint$", skip=1, times=2))
    reading = await read_all(rig)
    assert (ids(reading), reading.complete) == (carrier.fleet.endpoint_ids, True)


# --- what is no listing


@pytest.mark.parametrize(
    "trouble", [FaultKind.RESET, FaultKind.CUT_JSON, FaultKind.TRUNCATED, FaultKind.HTML, FaultKind.ERROR]
)
async def test_page_that_goes_wrong_is_read_again_and_only_that_page(
    tmp_path: Path, carrier: Emulator, trouble: FaultKind
) -> None:
    carrier.refill([Group(30)])
    carrier.inject(FaultRule(trouble, method="GET", skip=2, times=1))
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7)) as rig:
        reading = await read_all(rig)
    assert (ids(reading), reading.complete) == (carrier.fleet.endpoint_ids, True)
    assert calls_to(carrier) == {LISTED: 6}


async def test_page_that_stays_unread_ends_the_listing(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(30)])
    carrier.inject(FaultRule(FaultKind.ERROR, method="GET", skip=1))
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7)) as rig:
        with pytest.raises(CarrierUnavailable, match=f"no answer in {ATTEMPTS} attempts"):
            await read_all(rig)


async def test_refused_listing_says_so(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(403, {"error_code": 1104, "message": "no"}))) as rig:
        with pytest.raises(CarrierRefused, match=re.escape("/api/v1/endpoint was refused")) as caught:
            await read_all(rig)
    assert (caught.value.kind, caught.value.status, caught.value.code) == ("forbidden", 403, 1104)


@pytest.mark.parametrize("body", [{}, {"message": "welcome"}, {"items": []}])
async def test_answer_that_is_no_list_is_not_an_empty_fleet(tmp_path: Path, body: object) -> None:
    carrier = ScriptedCarrier(says(200, body))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierRefused, match="not a list"):
            await read_all(rig)
    assert len(carrier.requests) == 1


async def test_unknown_status_anywhere_in_a_listing_leaves_that_device_without_one(tmp_path: Path) -> None:
    items = [{"id": 1, "status": {"id": 0}}, {"id": 2, "status": {"id": 7}}, "junk", {"status": {"id": 0}}]
    async with scripted(tmp_path, ScriptedCarrier(says(200, items))) as rig:
        reading = await read_all(rig)
    assert reading.rows.select("endpoint_id", "endpoint_status").rows() == [("1", "Enabled"), ("2", None)]


async def test_a_listing_whose_order_is_refused_is_read_as_it_comes(tmp_path: Path) -> None:
    def unordered(request: httpx.Request) -> httpx.Response:
        if "sort" in request.url.params:
            return httpx.Response(422, json={"error_code": 1302, "message": "Invalid sort"})
        return httpx.Response(200, json=[{"id": 1, "status": {"id": 0}}])

    carrier = ScriptedCarrier(unordered)
    async with scripted(tmp_path, carrier) as rig:
        assert (await read_all(rig)).rows.height == 1
        assert (await read_all(rig)).rows.height == 1
    assert sum("sort" in request.url.params for request in carrier.requests) == 1


async def test_sim_rows_of_a_listing_name_their_endpoint(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1, SimStatus.SUSPENDED, EndpointStatus.DISABLED), Group(1, SimStatus.ACTIVATED, None)])
    reading = await read_all(rig, SIMS)
    assert reading.rows.drop("iccid").rows() == [
        (str(FIRST_SIM), "Suspended", str(FIRST_ENDPOINT), None),
        (str(FIRST_SIM + 1), "Activated", None, None),
    ]


@pytest.mark.parametrize(
    ("headers", "most"),
    [
        ({"X-Total-Pages": "900000000"}, 2),
        ({"X-Total-Pages": "900000000", "X-Total-Count": "999999999999"}, 2),
        ({"X-Total-Pages": "0", "X-Total-Count": "0"}, 2),
        ({"X-Total-Pages": "900000000", "X-Total-Count": "1"}, 2),
        ({"X-Total-Pages": "\u00b2"}, 2),
        ({"X-Total-Count": "9" * 400}, 2),
    ],
)
async def test_paging_headers_that_make_no_sense_are_not_followed(
    tmp_path: Path, headers: dict[str, str], most: int
) -> None:
    """A page past the end is the last page again."""
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    carrier = ScriptedCarrier(lambda _: httpx.Response(200, json=[{"id": 1, "status": {"id": 0}}], headers=sent))
    async with scripted(tmp_path, carrier) as rig:
        assert ids(await read_all(rig)) == [1]
    assert len(carrier.requests) <= most


async def test_a_count_lower_than_what_is_shown_does_not_end_the_listing(tmp_path: Path) -> None:
    def short(request: httpx.Request) -> httpx.Response:
        number = min(int(request.url.params["page"]), 3)
        items = [{"id": 2 * number + at, "status": {"id": 0}} for at in range(2)]
        return httpx.Response(200, json=items, headers={"X-Total-Count": "1", "X-Total-Pages": "1"})

    carrier = ScriptedCarrier(short)
    async with scripted(tmp_path, carrier) as rig:
        assert ids(await read_all(rig)) == [2, 3, 4, 5, 6, 7]
    assert len(carrier.requests) == 4

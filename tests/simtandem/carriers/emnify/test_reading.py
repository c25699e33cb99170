import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import iccid_of
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import CarrierRefused
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    Proxy,
    Rig,
    ScriptedCarrier,
    asked,
    calls_to,
    emulated,
    says,
    scripted,
)

ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
ENDPOINT, ENDPOINTS = "GET /api/v1/endpoint/{id}", "GET /api/v1/endpoint"
SIM, SIMS = "GET /api/v1/sim/{id}", "GET /api/v1/sim"
NOBODY = 99_999_999

PAIR = Group(1, SimStatus.ACTIVATED, ON)
LONE_SIM = Group(1, SimStatus.ACTIVATED, None)
LONE_ENDPOINT = Group(1, None, OFF)


@pytest.fixture
async def paged(tmp_path: Path, carrier: Emulator) -> AsyncIterator[Rig]:
    """A rig whose carrier gives 100 items a page, so that a fleet need not be large to have several."""
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=100)) as connected:
        yield connected


def pairs_of(**ids: Iterable[int | str | None]) -> pl.DataFrame:
    """What `read` is asked for."""
    return asked(**ids).select("sim_id", "endpoint_id")


def devices(inventory: pl.DataFrame) -> set[tuple[object, ...]]:
    """The devices of an inventory, the ICCID left out; each half stands in one of them."""
    for half in ("sim_id", "endpoint_id"):
        assert inventory[half].drop_nulls().is_unique().all()
    return set(Inventory.validate(inventory).drop("iccid").rows())


def pair(number: int, sim: str = "Issued", endpoint: str = "Disabled") -> tuple[object, ...]:
    """The n-th device of a fleet of pairs, counted from 0."""
    return (str(FIRST_SIM + number), sim, str(FIRST_ENDPOINT + number), endpoint)


# --- by id or by listing, whichever costs fewer calls


@pytest.mark.parametrize(
    ("ids", "calls"),
    [
        ({"endpoint_id": [FIRST_ENDPOINT]}, {ENDPOINT: 1}),
        ({"endpoint_id": [FIRST_ENDPOINT, FIRST_ENDPOINT + 1]}, {ENDPOINT: 2}),
        ({"sim_id": [FIRST_SIM], "endpoint_id": [FIRST_ENDPOINT]}, {ENDPOINT: 1}),
        ({"sim_id": [FIRST_SIM], "endpoint_id": [FIRST_ENDPOINT], "iccid": [iccid_of(FIRST_SIM)]}, {ENDPOINT: 1}),
        ({"sim_id": [FIRST_SIM]}, {SIM: 1, ENDPOINT: 1}),
        ({"iccid": [iccid_of(FIRST_SIM)]}, {SIMS: 1, ENDPOINT: 1}),
    ],
)
async def test_one_or_two_devices_of_a_large_fleet_are_read_by_id(
    carrier: Emulator, paged: Rig, ids: dict[str, list[int | str | None]], calls: dict[str, int]
) -> None:
    carrier.refill([Group(350)])
    listing = await paged.reader.find(asked(**ids))
    assert calls_to(carrier) == calls
    assert devices(listing.inventory) == {pair(number) for number in range(len(next(iter(ids.values()))))}
    assert (listing.whole, listing.sims, listing.activated) == (False, None, None)
    assert listing.inventory["iccid"].to_list()[0] == iccid_of(FIRST_SIM)


@pytest.mark.parametrize("key", ["sim_id", "endpoint_id", "iccid"])
@pytest.mark.parametrize("wanted", [3, 20])
async def test_devices_of_a_small_fleet_are_found_with_one_call(
    carrier: Emulator, rig: Rig, key: str, wanted: int
) -> None:
    carrier.refill([Group(20)])
    ids: dict[str, Iterable[int | str]] = {
        "sim_id": range(FIRST_SIM, FIRST_SIM + wanted),
        "endpoint_id": range(FIRST_ENDPOINT, FIRST_ENDPOINT + wanted),
        "iccid": [iccid_of(FIRST_SIM + number) for number in range(wanted)],
    }
    listing = await rig.reader.find(asked(**{key: ids[key]}))
    assert calls_to(carrier) == {ENDPOINTS: 1}
    assert devices(listing.inventory) == {pair(number) for number in range(20)}
    assert (listing.whole, listing.sims, listing.activated) == (False, 20, 0)


@pytest.mark.parametrize(
    ("far", "calls"),
    [
        (0, {ENDPOINTS: 1}),
        (1, {ENDPOINTS: 1, ENDPOINT: 1}),
        (2, {ENDPOINTS: 1, ENDPOINT: 2}),
        (3, {ENDPOINTS: 4}),
        (40, {ENDPOINTS: 4}),
    ],
)
async def test_after_the_first_page_the_cheaper_way_to_what_is_left_is_taken(
    carrier: Emulator, paged: Rig, far: int, calls: dict[str, int]
) -> None:
    carrier.refill([Group(350)])
    wanted = [*range(5), *range(350 - far, 350)]
    listing = await paged.reader.find(asked(endpoint_id=[FIRST_ENDPOINT + number for number in wanted]))
    assert calls_to(carrier) == calls
    assert {pair(number) for number in wanted} <= devices(listing.inventory)


async def test_nothing_asked_nothing_called(carrier: Emulator, rig: Rig) -> None:
    listing = await rig.reader.find(asked(sim_id=[]))
    assert listing.inventory.is_empty()
    assert (await rig.reader.read(pairs_of(sim_id=[]))).is_empty()
    assert calls_to(carrier) == {}


# --- what devices can be


ODDITIES = [
    Group(1, SimStatus.ISSUED, OFF),
    PAIR,
    Group(1, SimStatus.SUSPENDED, ON),
    Group(1, SimStatus.FACTORY_TEST, ON),
    Group(1, SimStatus.DELETED, OFF),
    LONE_SIM,
    LONE_ENDPOINT,
    Group(1, SimStatus.SUSPENDED, None),
    *[Group(1, SimStatus.ISSUED, OFF)] * 4,
]
"""SIMs 0 to 5 and 6 to 10 (the endpoint without a SIM takes no SIM id), endpoints 0 to 4 and 5 to 9."""

LONE = {(str(FIRST_SIM + 5), "Activated", None, None), (str(FIRST_SIM + 6), "Suspended", None, None)}


@pytest.mark.parametrize("key", ["sim_id", "iccid"])
@pytest.mark.parametrize("together", [True, False], ids=["listed", "by id"])
async def test_every_sim_is_found_with_what_it_has(carrier: Emulator, rig: Rig, key: str, together: bool) -> None:
    carrier.refill(ODDITIES)
    every = [each if key == "sim_id" else iccid_of(each) for each in carrier.fleet.sim_ids]
    found: set[tuple[object, ...]] = set()
    for some in [every] if together else [[each] for each in every]:
        found |= devices((await rig.reader.find(asked(**{key: some}))).inventory)
    assert found >= LONE
    assert {pair(0), pair(1, "Activated", "Enabled"), pair(2, "Suspended", "Enabled")} <= found
    assert {pair(3, "Factory Test", "Enabled"), pair(4, "Deleted", "Disabled")} <= found
    assert {row[0] for row in found} >= {str(each) for each in carrier.fleet.sim_ids}


@pytest.mark.parametrize("together", [True, False], ids=["listed", "by id"])
async def test_every_endpoint_is_found_with_what_it_has(carrier: Emulator, rig: Rig, together: bool) -> None:
    carrier.refill(ODDITIES)
    every = carrier.fleet.endpoint_ids
    found: set[tuple[object, ...]] = set()
    for some in [every] if together else [[each] for each in every]:
        found |= devices((await rig.reader.find(asked(endpoint_id=some))).inventory)
    assert {row[2] for row in found} == {str(each) for each in every}
    assert (None, None, str(FIRST_ENDPOINT + 5), "Disabled") in found


@pytest.mark.parametrize("devices_before", [0, 120], ids=["by id", "listed"])
@pytest.mark.parametrize("key", ["sim_id", "endpoint_id", "iccid"])
async def test_unknown_id_leads_to_nothing(carrier: Emulator, paged: Rig, key: str, devices_before: int) -> None:
    carrier.refill([Group(devices_before + 1)])
    known: list[int] | list[str] = {  # type: ignore[assignment]  # one kind or the other
        "sim_id": [FIRST_SIM + number for number in range(devices_before)],
        "endpoint_id": [FIRST_ENDPOINT + number for number in range(devices_before)],
        "iccid": [iccid_of(FIRST_SIM + number) for number in range(devices_before)],
    }[key]
    nobody = iccid_of(NOBODY) if key == "iccid" else NOBODY
    listing = await paged.reader.find(asked(**{key: [*known, nobody]}))
    found = listing.inventory
    assert not found[key].is_in([str(nobody)]).any()
    assert found.height >= devices_before


@pytest.mark.parametrize(
    ("fleet", "key", "strangers", "calls"),
    [
        (20, "endpoint_id", 5, {ENDPOINTS: 1}),  # a listing of one page misses nothing
        (20, "sim_id", 1, {ENDPOINTS: 1, SIM: 1}),
        (20, "sim_id", 5, {ENDPOINTS: 1, SIMS: 1}),
        (20, "iccid", 1, {ENDPOINTS: 1, SIMS: 1}),
        (350, "endpoint_id", 3, {ENDPOINTS: 4, ENDPOINT: 3}),  # fewer than the listing cost: looked up
        (350, "endpoint_id", 4, {ENDPOINTS: 4}),
        (350, "sim_id", 50, {ENDPOINTS: 4, SIMS: 4}),
    ],
)
async def test_unknown_ids_cost_few_calls(
    carrier: Emulator, paged: Rig, fleet: int, key: str, strangers: int, calls: dict[str, int]
) -> None:
    carrier.refill([Group(fleet)])
    known = {"sim_id": FIRST_SIM, "endpoint_id": FIRST_ENDPOINT, "iccid": FIRST_SIM}[key]
    ids = [*range(known + fleet - 15, known + fleet), *range(NOBODY - strangers, NOBODY)]
    await paged.reader.find(asked(**{key: [iccid_of(each) for each in ids] if key == "iccid" else ids}))
    assert calls_to(carrier) == calls


@pytest.mark.parametrize("others", [0, 30], ids=["by id", "listed"])
async def test_ids_of_two_pairs_show_both_pairs(carrier: Emulator, rig: Rig, others: int) -> None:
    carrier.refill([Group(40)])
    rest = range(10, 10 + others)
    ids = asked(
        sim_id=[FIRST_SIM, *[FIRST_SIM + number for number in rest]],
        endpoint_id=[FIRST_ENDPOINT + 1, *[FIRST_ENDPOINT + number for number in rest]],
        iccid=[iccid_of(FIRST_SIM + 2), *[None] * others],
    )
    found = devices((await rig.reader.find(ids)).inventory)
    assert {pair(0), pair(1), pair(2)} <= found


async def test_deleted_endpoint_leaves_its_sim_to_be_found_alone(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([PAIR])
    carrier.change(lambda fleet: fleet.drift_delete_endpoint(FIRST_ENDPOINT))
    row = asked(sim_id=[FIRST_SIM], endpoint_id=[FIRST_ENDPOINT])
    assert devices((await rig.reader.find(row)).inventory) == {(str(FIRST_SIM), "Activated", None, None)}


async def test_deleted_sim_leaves_its_endpoint_to_be_found_alone(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([PAIR])
    carrier.change(lambda fleet: fleet.drift_delete_sim(FIRST_SIM))
    row = asked(sim_id=[FIRST_SIM], endpoint_id=[FIRST_ENDPOINT])
    assert devices((await rig.reader.find(row)).inventory) == {(None, None, str(FIRST_ENDPOINT), "Enabled")}


async def test_many_sims_without_endpoints_are_found_in_the_sim_listing(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(10), Group(50, SimStatus.ACTIVATED, None)])
    listing = await rig.reader.find(asked(sim_id=range(FIRST_SIM, FIRST_SIM + 60)))
    assert calls_to(carrier) == {ENDPOINTS: 1, SIMS: 1}
    assert (listing.whole, listing.sims, listing.activated) == (True, 60, 50)


async def test_few_sims_that_no_first_page_shows_are_read_by_id(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(10), Group(50, SimStatus.ACTIVATED, None)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10)) as rig:
        wanted = [FIRST_SIM + 1, FIRST_SIM + 58, FIRST_SIM + 59]
        listing = await rig.reader.find(asked(sim_id=wanted))
    assert calls_to(carrier) == {ENDPOINTS: 1, SIMS: 1, SIM: 2}
    assert {row[0] for row in devices(listing.inventory)} >= {str(each) for each in wanted}
    assert not listing.whole


async def test_sims_assigned_between_the_two_listings_show_their_endpoint(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(3), Group(8, SimStatus.ACTIVATED, None)])
    proxy = Proxy()
    last = FIRST_SIM + 10

    def assign(fleet: Fleet) -> None:
        fleet.add_endpoint(OFF, fleet.sim(last))

    proxy.after[1] = lambda: carrier.change(assign)
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        listing = await rig.reader.find(asked(sim_id=range(FIRST_SIM, FIRST_SIM + 11)))
    assert (str(last), "Activated", str(FIRST_ENDPOINT + 3), "Disabled") in devices(listing.inventory)


def swapping(carrier: Emulator) -> Proxy:
    """Pages of seven. After the first, a device in front goes and another comes at the end: one moves unseen."""
    proxy = Proxy(per_page=7)

    def swap(fleet: Fleet) -> None:
        fleet.drift_delete_endpoint(FIRST_ENDPOINT)
        fleet.add_endpoint(OFF)

    proxy.after[1] = lambda: carrier.change(swap)
    return proxy


MOVED = FIRST_ENDPOINT + 7
"""The endpoint that moves to the page that was read already."""


async def test_device_missed_while_another_kept_the_count_is_found_all_the_same(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    async with emulated(tmp_path, carrier, proxy=swapping(carrier)) as rig:
        listing = await rig.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT + 1, FIRST_ENDPOINT + 30)))
    assert str(MOVED) in listing.inventory["endpoint_id"].to_list()
    assert calls_to(carrier) == {ENDPOINTS: 5, ENDPOINT: 1}


async def test_device_missed_while_another_kept_the_count_is_read_again_all_the_same(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    numbers = range(1, 30)
    rows = pairs_of(
        sim_id=[FIRST_SIM + number for number in numbers], endpoint_id=[FIRST_ENDPOINT + number for number in numbers]
    )
    async with emulated(tmp_path, carrier, proxy=swapping(carrier)) as rig:
        found = await rig.reader.read(rows)
    assert str(MOVED) in found["endpoint_id"].to_list()
    assert calls_to(carrier) == {ENDPOINTS: 5, ENDPOINT: 1}


def hiding(carrier: Emulator, listing: str) -> Proxy:
    """Pages of seven. The first seven of 30 devices come and go, so that the next seven are on no page read."""
    proxy = Proxy(per_page=7)

    def go(fleet: Fleet) -> None:
        for _ in range(7):
            fleet.drift_delete_first(listing)

    def come(fleet: Fleet) -> None:
        for _ in range(7):
            fleet.drift_insert_first(listing)

    for reading in range(10):
        proxy.after[5 * reading + 1] = lambda: carrier.change(go)
        proxy.after[5 * reading + 5] = lambda: carrier.change(come)
    return proxy


HIDDEN = range(7, 14)


async def test_listing_that_keeps_shifting_is_completed_by_id_and_is_not_whole(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    async with emulated(tmp_path, carrier, proxy=hiding(carrier, "endpoint")) as rig:
        listing = await rig.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 30)))
    assert {pair(number) for number in HIDDEN} <= devices(listing.inventory)
    assert calls_to(carrier) == {ENDPOINTS: 20, ENDPOINT: len(HIDDEN)}
    assert not listing.whole


async def test_sim_listing_that_keeps_shifting_is_completed_by_id_and_is_not_whole(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30, SimStatus.ACTIVATED, None)])
    proxy = hiding(carrier, "sim")
    proxy.after = {number + 1: step for number, step in proxy.after.items()}  # the first call lists endpoints
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        listing = await rig.reader.find(asked(sim_id=range(FIRST_SIM, FIRST_SIM + 30)))
    assert {(str(FIRST_SIM + number), "Activated", None, None) for number in HIDDEN} <= devices(listing.inventory)
    assert not listing.whole


async def test_pairs_of_a_listing_that_keeps_shifting_are_read_by_id(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(30)])
    numbers = range(7, 30)
    rows = pairs_of(
        sim_id=[FIRST_SIM + number for number in numbers], endpoint_id=[FIRST_ENDPOINT + number for number in numbers]
    )
    async with emulated(tmp_path, carrier, proxy=hiding(carrier, "endpoint")) as rig:
        found = await rig.reader.read(rows)
    assert {pair(number) for number in HIDDEN} <= devices(found)


# --- ICCIDs


async def test_ignored_iccid_filter_costs_one_reading_of_the_listing_for_all_of_them(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(100), Group(5, SimStatus.ACTIVATED, None)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10, filters=False)) as rig:
        near = [iccid_of(FIRST_SIM + number) for number in range(8)]
        far = [iccid_of(FIRST_SIM + number) for number in (98, 99, 104)]
        listing = await rig.reader.find(asked(iccid=[*near, *far]))
    assert set(listing.inventory["iccid"]) >= {*near, *far}
    assert calls_to(carrier)[SIMS] <= 3 + 11
    assert devices(listing.inventory) >= {pair(98), pair(99), (str(FIRST_SIM + 104), "Activated", None, None)}


async def test_listing_read_for_an_ignored_filter_is_not_used_again_the_next_time(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    last = asked(iccid=[iccid_of(FIRST_SIM + 29)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10, filters=False)) as rig:
        await rig.reader.find(last)
        carrier.change(lambda fleet: fleet.drift_delete_sim(FIRST_SIM + 29))
        assert (await rig.reader.find(last)).inventory.is_empty()


async def test_ignored_iccid_filter_finds_one_on_the_page_it_got(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(50)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10, filters=False)) as rig:
        listing = await rig.reader.find(asked(iccid=[iccid_of(FIRST_SIM + 3)]))
    assert devices(listing.inventory) == {pair(3)}
    assert calls_to(carrier) == {SIMS: 1, ENDPOINT: 1}


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("fleet", [0, 1, 30])
async def test_iccid_nobody_has_is_not_found_whether_the_filter_works_or_not(
    tmp_path: Path, carrier: Emulator, filters: bool, fleet: int
) -> None:
    carrier.refill([Group(fleet)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10, filters=filters)) as rig:
        listing = await rig.reader.find(asked(iccid=[iccid_of(NOBODY)]))
    assert listing.inventory.is_empty()


# --- reading known pairs again


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [(1, {ENDPOINT: 1}), (2, {ENDPOINT: 2}), (4, {ENDPOINT: 4}), (5, {ENDPOINTS: 4}), (90, {ENDPOINTS: 4})],
)
async def test_pairs_are_read_again_the_cheaper_way(
    carrier: Emulator, paged: Rig, wanted: int, calls: dict[str, int]
) -> None:
    carrier.refill([Group(350)])
    await paged.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 5)))  # learns the fleet's size
    before = Counter(calls_to(carrier))
    rows = pairs_of(
        sim_id=[FIRST_SIM + number for number in range(wanted)],
        endpoint_id=[FIRST_ENDPOINT + number for number in range(wanted)],
    )
    found = await paged.reader.read(rows)
    assert Counter(calls_to(carrier)) - before == Counter(calls)
    assert {pair(number) for number in range(wanted)} <= devices(found)


@pytest.mark.parametrize("fleet", [8, 350], ids=["listed", "by id"])
async def test_reading_shows_the_present_state(carrier: Emulator, paged: Rig, fleet: int) -> None:
    carrier.refill([Group(fleet)])
    await paged.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 5)))
    carrier.change(lambda books: books.drift_endpoint(FIRST_ENDPOINT, ON))
    carrier.change(lambda books: books.drift_sim(FIRST_SIM + 1, SimStatus.ACTIVATED))
    rows = pairs_of(sim_id=[FIRST_SIM, FIRST_SIM + 1], endpoint_id=[FIRST_ENDPOINT, FIRST_ENDPOINT + 1])
    assert devices(await paged.reader.read(rows)) >= {pair(0, endpoint="Enabled"), pair(1, sim="Activated")}


@pytest.mark.parametrize("alone", [True, False], ids=["by id", "listed"])
async def test_what_is_gone_is_missing_and_the_half_that_is_left_is_there(
    carrier: Emulator, rig: Rig, alone: bool
) -> None:
    carrier.refill([Group(10)])

    def remove(books: Fleet) -> None:
        books.drift_delete_endpoint(FIRST_ENDPOINT)
        books.drift_delete_sim(FIRST_SIM + 1)
        books.drift_delete_endpoint(FIRST_ENDPOINT + 2)
        books.drift_delete_sim(FIRST_SIM + 2)

    carrier.change(remove)
    found: set[tuple[object, ...]] = set()
    for some in [[0], [1], [2]] if alone else [[0, 1, 2, 3, 4]]:
        rows = pairs_of(
            sim_id=[FIRST_SIM + number for number in some], endpoint_id=[FIRST_ENDPOINT + number for number in some]
        )
        found |= devices(await rig.reader.read(rows))
    assert (str(FIRST_SIM), "Issued", None, None) in found
    assert (None, None, str(FIRST_ENDPOINT + 1), "Disabled") in found
    assert str(FIRST_SIM + 2) not in {row[0] for row in found}
    assert str(FIRST_ENDPOINT + 2) not in {row[2] for row in found}


@pytest.mark.parametrize("alone", [True, False], ids=["by id", "listed"])
async def test_sim_that_moved_to_another_endpoint_is_read_with_that_one(
    carrier: Emulator, rig: Rig, alone: bool
) -> None:
    carrier.refill([Group(2100)])  # one page of SIMs, three of endpoints

    def move(books: Fleet) -> None:
        for number in (0, 1):
            books.endpoint(FIRST_ENDPOINT + number).sim_id = None
            books.add_endpoint(ON, books.sim(FIRST_SIM + number))

    carrier.change(move)
    some = [0] if alone else [0, 1]
    rows = pairs_of(
        sim_id=[FIRST_SIM + number for number in some], endpoint_id=[FIRST_ENDPOINT + number for number in some]
    )
    found = devices(await rig.reader.read(rows))
    assert {
        (str(FIRST_SIM + number), "Issued", str(FIRST_ENDPOINT + 2100 + number), "Enabled") for number in some
    } <= found


@pytest.mark.parametrize(("wanted", "calls"), [(1, {SIM: 1}), (2, {SIMS: 1, SIM: 2}), (6, {SIMS: 6}), (30, {SIMS: 6})])
async def test_sims_without_endpoints_are_read_again_the_cheaper_way(
    tmp_path: Path, carrier: Emulator, wanted: int, calls: dict[str, int]
) -> None:
    carrier.refill([Group(60, SimStatus.ACTIVATED, None)])
    last = [FIRST_SIM + 59 - number for number in range(wanted)]
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10)) as rig:
        found = await rig.reader.read(pairs_of(sim_id=last, endpoint_id=[None] * wanted))
    assert devices(found) == {(str(each), "Activated", None, None) for each in last}
    assert calls_to(carrier) == calls


async def test_lone_sims_of_a_listing_that_keeps_shifting_are_read_by_id(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(30, SimStatus.ACTIVATED, None)])
    wanted = range(FIRST_SIM + 7, FIRST_SIM + 30)
    async with emulated(tmp_path, carrier, proxy=hiding(carrier, "sim")) as rig:
        found = await rig.reader.read(pairs_of(sim_id=wanted, endpoint_id=[None] * len(wanted)))
    assert {str(each) for each in wanted} == set(found["sim_id"])


async def test_status_of_one_sim_and_of_endpoints(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([PAIR, Group(1, SimStatus.FACTORY_TEST, OFF)])
    assert await rig.reader.sim_status(str(FIRST_SIM + 1)) is SimStatus.FACTORY_TEST
    assert await rig.reader.sim_status(str(NOBODY)) is None
    idents = [str(FIRST_ENDPOINT), str(FIRST_ENDPOINT + 1), str(NOBODY)]
    statuses = await rig.reader.endpoint_statuses(idents)
    assert statuses == {idents[0]: "Enabled", idents[1]: "Disabled"}


async def test_status_read_back_is_named_so_in_the_journal(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([PAIR])
    await rig.reader.sim_status(str(FIRST_SIM))
    assert rig.journal.sent("GET") == [("read_back", 1)]


# --- refusals


async def test_read_that_is_refused_says_so(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(403, {"error_code": 1104}))) as rig:
        with pytest.raises(CarrierRefused, match=re.escape("GET /api/v1/sim/1 was refused")) as caught:
            await rig.reader.sim_status("1")
    assert (caught.value.kind, caught.value.status, caught.value.code) == ("forbidden", 403, 1104)


async def test_object_that_is_a_list_is_refused(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(200, [{"id": 1}]))) as rig:
        with pytest.raises(CarrierRefused):
            await rig.reader.sim_status("1")


async def test_unknown_status_of_one_device_is_refused(tmp_path: Path) -> None:
    odd = {"id": 1, "iccid": iccid_of(1), "status": {"id": 9, "description": "Quarantined"}}
    async with scripted(tmp_path, ScriptedCarrier(says(200, odd))) as rig:
        with pytest.raises(CarrierRefused, match="status 9 for SIM 1"):
            await rig.reader.sim_status("1")
        with pytest.raises(CarrierRefused, match="status 9"):
            await rig.reader.find(asked(sim_id=[1]))


# --- counting


FLEET = [Group(20, SimStatus.SUSPENDED, OFF), Group(12, SimStatus.ACTIVATED, ON), Group(3, SimStatus.ACTIVATED, None)]


async def test_small_fleet_is_counted_by_its_only_page(carrier: Emulator, rig: Rig) -> None:
    carrier.refill(FLEET)
    assert await rig.reader.count_fleet() == (35, 15)
    assert calls_to(carrier) == {SIMS: 1}


async def test_large_fleet_is_counted_by_a_filtered_page(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill(FLEET)
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10)) as rig:
        assert await rig.reader.count_fleet() == (35, 15)
    assert calls_to(carrier) == {SIMS: 2}


async def test_large_fleet_is_counted_by_listing_where_the_filter_is_ignored(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill(FLEET)
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10, filters=False)) as rig:
        assert await rig.reader.count_fleet() == (35, 15)
    assert calls_to(carrier) == {SIMS: 5}


async def test_ignored_filter_is_seen_through_where_the_first_page_is_all_activated(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([*FLEET[1:], FLEET[0]])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10, filters=False)) as rig:
        assert await rig.reader.count_fleet() == (35, 15)


@pytest.mark.parametrize(("status", "activated"), [(SimStatus.ACTIVATED, 35), (SimStatus.SUSPENDED, 0)])
async def test_fleet_that_is_all_alike_is_counted_by_filtered_pages(
    tmp_path: Path, carrier: Emulator, status: SimStatus, activated: int
) -> None:
    carrier.refill([Group(35, status, ON)])
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=10)) as rig:
        assert await rig.reader.count_fleet() == (35, activated)
    assert calls_to(carrier)[SIMS] <= 3


async def test_fleet_is_counted_by_listing_where_headers_are_missing(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill(FLEET)
    proxy = Proxy(per_page=10, drops=("X-Total-Count", "X-Total-Pages"))
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        assert await rig.reader.count_fleet() == (35, 15)


async def test_empty_fleet_has_none(carrier: Emulator, rig: Rig) -> None:
    assert await rig.reader.count_fleet() == (0, 0)

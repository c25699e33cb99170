from collections.abc import Iterable
from pathlib import Path

import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import iccid_of
from simtandem.emulator.server import Emulator, Group
from tests.simtandem.carriers.emnify.fleets import (
    ENDPOINT,
    ENDPOINTS,
    NOBODY,
    OFF,
    ON,
    PAIR,
    SIM,
    SIMS,
    devices,
    pair,
    pairs_of,
)
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    Proxy,
    Rig,
    asked,
    calls_to,
    emulated,
)

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
    assert (listing.whole, listing.sims, listing.activated, listing.pages) == (False, 20, 0, 1)


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
    Group(1, SimStatus.ACTIVATED, None),
    Group(1, None, OFF),
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

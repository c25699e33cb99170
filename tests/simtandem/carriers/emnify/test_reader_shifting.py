from pathlib import Path

from schemas.statuses import SimStatus
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.server import Emulator, Group
from tests.simtandem.carriers.emnify.fleets import (
    ENDPOINT,
    ENDPOINTS,
    OFF,
    devices,
    pair,
    pairs_of,
)
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    Proxy,
    asked,
    calls_to,
    emulated,
)


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


async def test_a_listing_that_shifts_is_not_read_again_where_every_device_asked_for_was_seen(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    proxy = Proxy(per_page=7)
    for number in range(1, 40):  # the fleet grows with every page that is read
        proxy.after[number] = lambda: carrier.change(lambda fleet: fleet.add_endpoint(OFF))
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        listing = await rig.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 30)))
    assert not listing.whole
    assert {pair(number) for number in range(30)} <= devices(listing.inventory)
    pages = calls_to(carrier)[ENDPOINTS]
    assert calls_to(carrier) == {ENDPOINTS: pages}
    assert pages <= 7, "five pages, and those that were added meanwhile"


async def test_what_a_shifting_listing_did_not_show_is_read_by_id_where_that_costs_less_than_another_reading(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    proxy = Proxy(per_page=7)
    proxy.after[1] = lambda: carrier.change(lambda fleet: fleet.drift_delete_endpoint(FIRST_ENDPOINT))
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        listing = await rig.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT + 1, FIRST_ENDPOINT + 30)))
    assert str(MOVED) in listing.inventory["endpoint_id"].to_list()
    assert calls_to(carrier) == {ENDPOINTS: 5, ENDPOINT: 1}


async def test_listing_that_keeps_shifting_is_completed_by_id_and_is_not_whole(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    async with emulated(tmp_path, carrier, proxy=hiding(carrier, "endpoint")) as rig:
        listing = await rig.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 30)))
    assert {pair(number) for number in HIDDEN} <= devices(listing.inventory)
    assert calls_to(carrier) == {ENDPOINTS: 10, ENDPOINT: len(HIDDEN)}, "a second reading showed nothing new"
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


async def test_lone_sims_of_a_listing_that_keeps_shifting_are_read_by_id(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(30, SimStatus.ACTIVATED, None)])
    wanted = range(FIRST_SIM + 7, FIRST_SIM + 30)
    async with emulated(tmp_path, carrier, proxy=hiding(carrier, "sim")) as rig:
        found = await rig.reader.read(pairs_of(sim_id=wanted, endpoint_id=[None] * len(wanted)))
    assert {str(each) for each in wanted} == set(found["sim_id"])

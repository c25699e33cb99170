import re
from collections import Counter
from pathlib import Path

import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.numbering import iccid_of
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import CarrierRefused
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
    ScriptedCarrier,
    asked,
    calls_to,
    emulated,
    says,
    scripted,
)

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


async def test_pairs_are_never_listed_where_that_takes_too_long(carrier: Emulator, paged: Rig) -> None:
    carrier.refill([Group(350), Group(2, SimStatus.ISSUED, None)])
    await paged.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 5)))
    before = Counter(calls_to(carrier))
    rows = pairs_of(
        sim_id=range(FIRST_SIM, FIRST_SIM + 352), endpoint_id=[*range(FIRST_ENDPOINT, FIRST_ENDPOINT + 350), None, None]
    )
    found = await paged.reader.read(rows, by_id=True)
    assert Counter(calls_to(carrier)) - before == Counter({ENDPOINT: 350, SIM: 2})
    assert found.height == 352
    owners = await paged.reader.read_owners([str(FIRST_SIM + number) for number in range(20)], by_id=True)
    assert owners.height == 20
    assert Counter(calls_to(carrier)) - before == Counter({ENDPOINT: 350, SIM: 22})


async def test_a_listing_says_how_long_its_pages_take(carrier: Emulator, paged: Rig) -> None:
    carrier.refill([Group(350)])
    now = paged.time.clock()
    listing = await paged.reader.find(asked(endpoint_id=range(FIRST_ENDPOINT, FIRST_ENDPOINT + 350)))
    assert listing.pages == 4
    assert listing.pages_s == pytest.approx(paged.time.clock() - now, abs=0.05)
    assert listing.pages_s, "the waits between pages included"


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


async def test_status_of_one_sim_and_of_endpoints(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([PAIR, Group(1, SimStatus.FACTORY_TEST, OFF)])
    assert (await rig.reader.sim_now(str(FIRST_SIM + 1), [])).status is SimStatus.FACTORY_TEST
    assert not (await rig.reader.sim_now(str(NOBODY), [])).there
    idents = [str(FIRST_ENDPOINT), str(FIRST_ENDPOINT + 1), str(NOBODY)]
    statuses = await rig.reader.endpoint_statuses(idents)
    assert statuses == {idents[0]: "Enabled", idents[1]: "Disabled"}


async def test_status_read_back_is_named_so_in_the_journal(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([PAIR])
    await rig.reader.sim_now(str(FIRST_SIM), [])
    assert rig.journal.sent("GET") == [("read_back", 1)]


# --- refusals


async def test_read_that_is_refused_says_so(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(403, {"error_code": 1104}))) as rig:
        with pytest.raises(CarrierRefused, match=re.escape("GET /api/v1/sim/1 was refused")) as caught:
            await rig.reader.sim_now("1", [])
    assert (caught.value.kind, caught.value.status, caught.value.code) == ("forbidden", 403, 1104)


async def test_object_that_is_a_list_is_refused(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(200, [{"id": 1}]))) as rig:
        with pytest.raises(CarrierRefused):
            await rig.reader.sim_now("1", [])


async def test_unknown_status_of_one_device_is_read_as_none(tmp_path: Path) -> None:
    odd = {"id": 1, "iccid": iccid_of(1), "status": {"id": 9, "description": "Quarantined"}}
    async with scripted(tmp_path, ScriptedCarrier(says(200, odd))) as rig:
        now = await rig.reader.sim_now("1", [])
        listing = await rig.reader.find(asked(sim_id=[1]))
    assert (now.status, now.there) == (None, True)
    assert listing.inventory.select("sim_id", "sim_status").rows() == [("1", None)]


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

"""Whose SIMs are: read with the fewest calls."""

from pathlib import Path

import pytest

from schemas.organisations import OwnerField
from schemas.tables import Owners
from simtandem.carriers.emnify.owners import owner_fields, why_refused
from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.server import Emulator, Group
from tests.simtandem.carriers.emnify.fleets import NOBODY, SIM, SIMS
from tests.simtandem.carriers.emnify.rig import (
    FIRST_SIM,
    Proxy,
    Rig,
    ScriptedCarrier,
    calls_to,
    emulated,
    says,
    scripted,
    sim,
)

OWN = str(OWN_ORGANISATION)
Line = tuple[str | None, str | None, str | None]


def numbers(*places: int) -> list[str]:
    """The ids of the n-th SIMs of the fleet, counted from 0."""
    return [str(FIRST_SIM + place) for place in places]


async def owners(rig: Rig, sims: list[str]) -> dict[str, Line]:
    """Customer, reseller and issuer of every SIM that is told."""
    table = Owners.validate(await rig.reader.read_owners(sims))
    return {ident: (customer, reseller, issuer) for ident, customer, reseller, issuer in table.rows()}


def give(carrier: Emulator, place: int, customer: int | None, reseller: int | None) -> None:
    def step(fleet: Fleet) -> None:
        one = fleet.sim(FIRST_SIM + place)
        one.customer_org, one.reseller_org = customer, reseller

    carrier.change(step)


async def test_the_three_owners_are_told_and_null_is_nobody(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(3)])
    give(carrier, 1, 42, 7)
    give(carrier, 2, None, None)
    assert await owners(rig, numbers(0, 1, 2)) == {
        numbers(0)[0]: (OWN, None, OWN),
        numbers(1)[0]: ("42", "7", OWN),
        numbers(2)[0]: (None, None, OWN),
    }


async def test_one_sim_is_read_by_its_id(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(3)])
    assert list(await owners(rig, numbers(1))) == numbers(1)
    assert calls_to(carrier) == {SIM: 1}


async def test_a_fleet_of_one_page_is_listed_with_one_call(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(30)])
    assert set(numbers(*range(12))) <= set(await owners(rig, numbers(*range(12))))
    assert calls_to(carrier) == {SIMS: 1}


@pytest.mark.parametrize(
    ("places", "calls"),
    [
        ([0, 1], {SIMS: 1}),  # both stand on the first page
        ([25, 26], {SIMS: 1, SIM: 2}),  # two by id cost less than the other four pages
        ([0, 25, 26, 27, 28], {SIMS: 1, SIM: 4}),
        ([15, 16, 25, 26, 27], {SIMS: 5}),  # one more, and the other four pages cost less
    ],
)
async def test_sims_on_pages_not_read_yet_are_read_the_cheaper_way(
    tmp_path: Path, carrier: Emulator, places: list[int], calls: dict[str, int]
) -> None:
    carrier.refill([Group(30)])
    give(carrier, 26, 42, None)
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7)) as rig:
        told = await owners(rig, numbers(*places))
    assert set(numbers(*places)) <= set(told)
    assert told.get(numbers(26)[0], ("42", None, OWN)) == ("42", None, OWN)
    assert calls_to(carrier) == calls


async def test_without_the_headers_of_paging_everything_is_found_all_the_same(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    drops = ("X-Total-Count", "X-Total-Pages")
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=7, drops=drops)) as rig:
        assert set(numbers(0, 29)) <= set(await owners(rig, numbers(0, 29)))


async def test_sims_that_a_shifting_listing_hides_are_read_by_id(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(30)])
    proxy = Proxy(per_page=7)

    def go(fleet: Fleet) -> None:
        for _ in range(7):
            fleet.drift_delete_first("sim")

    def come(fleet: Fleet) -> None:
        for _ in range(7):
            fleet.drift_insert_first("sim")

    for reading in range(10):
        proxy.after[5 * reading + 1] = lambda: carrier.change(go)
        proxy.after[5 * reading + 5] = lambda: carrier.change(come)
    async with emulated(tmp_path, carrier, proxy=proxy) as rig:
        assert set(numbers(*range(7, 30))) <= set(await owners(rig, numbers(*range(7, 30))))
    assert calls_to(carrier)[SIM] == 7, "those that moved to the page that was read already"


async def test_a_sim_that_is_not_there_is_left_out(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(2)])
    assert await owners(rig, [str(NOBODY)]) == {}
    assert list(await owners(rig, [str(NOBODY), *numbers(0)])) == numbers(0, 1)


@pytest.mark.parametrize("status", [403, 404, 410, 422])
async def test_a_sim_that_the_carrier_does_not_show_costs_no_other_one(tmp_path: Path, status: int) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(status))) as rig:
        assert (await rig.reader.read_owners(["1"])).is_empty()


@pytest.mark.parametrize("held", [{}, {"customer_org": None}, {"customer_org": {}}, {"customer_org": {"id": None}}])
async def test_nobody_is_nobody_however_the_carrier_writes_it(tmp_path: Path, held: dict[str, object]) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(200, sim(1, issuer_org={"id": 3}, **held)))) as rig:
        assert await owners(rig, ["1"]) == {"1": (None, None, "3")}
        now = await rig.reader.sim_now("1", [OwnerField.CUSTOMER, OwnerField.ISSUER])
    assert now.owners == {OwnerField.CUSTOMER: "none", OwnerField.ISSUER: "3"}


def test_fields_hold_numbers_and_an_id_of_null_where_an_owner_is_cleared() -> None:
    changes = {OwnerField.CUSTOMER: ("42", "none"), OwnerField.ISSUER: ("1", "2")}
    assert owner_fields(changes) == {"customer_org": {"id": None}, "issuer_org": {"id": 2}}


@pytest.mark.parametrize("kind", [Kind.FORBIDDEN, Kind.INVALID, Kind.NOT_FOUND])
def test_a_refusal_of_a_status_alone_says_nothing_of_owners(kind: Kind) -> None:
    assert why_refused(Reply(kind, 403), {}, with_status=True) == ""


@pytest.mark.parametrize("reply", [Reply(Kind.NOT_FOUND, 404, code=1201), Reply(Kind.FORBIDDEN, 302)])
def test_a_refusal_that_owners_are_not_the_cause_of_says_nothing_of_them(reply: Reply) -> None:
    assert why_refused(reply, {OwnerField.CUSTOMER: ("1", "2")}, with_status=True) == ""


def test_an_owner_that_is_cleared_fits_nowhere_and_needs_no_words() -> None:
    assert why_refused(Reply(Kind.INVALID, 422), {OwnerField.CUSTOMER: ("1", "none")}, with_status=False) == ""

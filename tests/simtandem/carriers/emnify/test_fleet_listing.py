"""Listing the whole fleet."""

from pathlib import Path

import httpx

from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory
from simtandem.carriers.emnify.fleet_listing import list_fleet
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.server import Emulator, Group
from tests.simtandem.carriers.emnify.rig import FIRST_ENDPOINT, FIRST_SIM, emulated, logged_in, scripted

FLEET = [
    Group(2600, SimStatus.ISSUED, EndpointStatus.DISABLED),
    Group(5, SimStatus.ACTIVATED, EndpointStatus.DISABLED),
    Group(4, SimStatus.ACTIVATED, None),
    Group(3, None, EndpointStatus.ENABLED),
    Group(2, SimStatus.SUSPENDED, None),
]


async def test_every_sim_and_every_endpoint_is_read_once(tmp_path: Path) -> None:
    with Emulator(FLEET) as carrier, Emulator([]) as empty:
        async with emulated(tmp_path / "full", carrier) as rig:
            listing = await list_fleet(rig.transport, rig.reader.read)
        async with emulated(tmp_path / "empty", empty) as rig:
            nothing = await list_fleet(rig.transport, rig.reader.read)
        routes = carrier.stats()["by_route"]

    inventory = Inventory.validate(listing.inventory)
    assert (listing.whole, listing.sims, listing.activated) == (True, 2611, 9)
    assert inventory["endpoint_id"].drop_nulls().n_unique() == 2608
    assert {row[:2]: row[2] for row in inventory.group_by("sim_status", "endpoint_status").len().rows()} == {
        ("Issued", "Disabled"): 2600,
        ("Activated", "Disabled"): 5,
        ("Activated", None): 4,
        (None, "Enabled"): 3,
        ("Suspended", None): 2,
    }
    assert (routes["GET /api/v1/sim"], routes["GET /api/v1/endpoint"]) == (2, 3)
    assert (nothing.whole, nothing.sims, nothing.activated) == (True, 0, 0)


async def test_a_fleet_that_shifts_meanwhile_is_read_all_the_same(tmp_path: Path) -> None:
    with Emulator(FLEET) as carrier:
        carrier.inject(FaultRule(FaultKind.DELETE_FIRST, method="GET", path="/api/v1/endpoint", times=1))
        async with emulated(tmp_path, carrier) as rig:
            listing = await list_fleet(rig.transport, rig.reader.read)

    pairs = listing.inventory.filter(listing.inventory["endpoint_id"] == str(FIRST_ENDPOINT + 1))
    assert pairs["sim_id"].to_list() == [str(FIRST_SIM + 1)]
    assert listing.sims == 2611


class AssignedMeanwhile:
    """The endpoint listing was read before SIM 1 was assigned to the new endpoint 2, the SIM listing after it."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/authenticate"):
            return logged_in()
        self.paths.append(path)
        sim = {"id": 1, "iccid": "8988303000000000001", "status": {"id": 1}}
        headers = {"X-Total-Pages": "1"}
        match path:
            case "/api/v1/endpoint":
                return httpx.Response(200, json=[], headers=headers | {"X-Total-Count": "0"})
            case "/api/v1/sim":
                return httpx.Response(
                    200, json=[{**sim, "endpoint": {"id": 2}}], headers=headers | {"X-Total-Count": "1"}
                )
            case "/api/v1/endpoint/2":
                return httpx.Response(200, json={"id": 2, "status": {"id": 0}, "sim": sim})
        return httpx.Response(404)


async def test_a_sim_that_was_assigned_while_it_was_listed_is_no_sim_without_endpoint(tmp_path: Path) -> None:
    carrier = AssignedMeanwhile()
    async with scripted(tmp_path, carrier) as rig:
        listing = await list_fleet(rig.transport, rig.reader.read)

    assert listing.inventory.rows() == [("1", "8988303000000000001", "Activated", "2", "Enabled")]
    assert listing.whole


class HidesEndpoints:
    """Lists SIMs with endpoints, but not the endpoints."""

    def __init__(self, sims: int) -> None:
        self._sims = [
            {"id": number, "iccid": f"89883030000{number:08}", "status": {"id": 1}, "endpoint": {"id": number}}
            for number in range(1, sims + 1)
        ]
        self.single_reads = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/authenticate"):
            return logged_in()
        items = {"/api/v1/sim": self._sims, "/api/v1/endpoint": []}.get(path)
        if items is None:
            self.single_reads += 1
            return httpx.Response(404, json={"error_code": 1201, "message": "not found"})
        return httpx.Response(200, json=items, headers={"X-Total-Count": str(len(items)), "X-Total-Pages": "1"})


async def test_listings_that_do_not_fit_together_are_not_looked_up_one_by_one_and_not_called_whole(
    tmp_path: Path,
) -> None:
    carrier = HidesEndpoints(501)
    async with scripted(tmp_path, carrier) as rig:
        listing = await list_fleet(rig.transport, rig.reader.read)

    assert (listing.whole, listing.sims, listing.inventory.height) == (False, 501, 501)
    assert carrier.single_reads == 0
    assert Inventory.validate(listing.inventory)["endpoint_status"].null_count() == 501

"""Selecting from the fleet at emnify: with the calls of one listing, and never by half of a device's fields."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory
from simtandem.carriers.emnify.fleet_selection import FleetSelection
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.emnify.listed_fields import FIELDS, Judging
from simtandem.carriers.protocol import Selected
from simtandem.emulator.events import Source
from simtandem.emulator.server import Emulator, Group
from simtandem.selection.selection import Selection
from tests.simtandem.carriers.emnify.rig import FIRST_ENDPOINT, FIRST_SIM, emulated, logged_in, scripted

FLEET = [
    Group(1100, SimStatus.ISSUED, EndpointStatus.DISABLED, tags="depot-7, spare"),
    Group(5, SimStatus.ACTIVATED, EndpointStatus.ENABLED, tags="it's"),
    Group(1, SimStatus.ACTIVATED, EndpointStatus.ENABLED, name="pump-1"),
    Group(4, SimStatus.ACTIVATED, None),
    Group(3, None, EndpointStatus.ENABLED, tags="depot-7"),
]
BOTH, ONE = ["GET /api/v1/endpoint", "GET /api/v1/sim"], ["GET /api/v1/endpoint"]


def selection(text: str) -> Selection:
    return Selection.of(text, FIELDS, EMNIFY, date(2026, 3, 31))


@pytest.mark.parametrize(
    ("text", "count", "listings"),
    [
        ("tag = 'depot-7'", 1103, ONE),
        ("tag = 'depot-7' and sim_status = 'issued'", 1100, ONE),
        ("tag = 'depot'", 0, ONE),
        ("tags = 'it''s'", 5, ONE),
        ("name like 'pump-_'", 1, ONE),
        (f"endpoint_id in ({FIRST_ENDPOINT}, {FIRST_ENDPOINT + 1})", 2, ONE),
        ("service_profile like 'Default%' and sim_status != 'issued'", 9, ONE),
        ("sim_status = 'activated'", 10, BOTH),
        ("tag is null and sim_status = 'activated'", 5, BOTH),
        ("endpoint_id is null", 4, BOTH),
        ("endpoint_id is not null and sim_status = 'activated'", 6, ONE),
        ("sim_id is null", 3, BOTH),
        ("activation_date is not null", 10, BOTH),
        ("activation_date is null and tag = 'depot-7' or name = 'pump-1'", 1104, BOTH),
        ("not (activation_date >= 2000-01-01) and sim_id is not null", 1100, BOTH),
        ("customer_org_id = 4711 and tag in ('it''s', 'x')", 5, BOTH),
        ("model contains 'Industrial'", 1110, BOTH),
        (f"iccid like '8988%' and sim_id < {FIRST_SIM + 3}", 3, BOTH),
    ],
)
async def test_what_holds_is_selected_from_one_listing(
    text: str, count: int, listings: list[str], fleet: Emulator, tmp_path: Path
) -> None:
    before = fleet.stats()["by_route"]
    async with emulated(tmp_path, fleet) as rig:
        selected = await FleetSelection(rig.transport, selection(text)).select()
    calls = {route: sent - before.get(route, 0) for route, sent in fleet.stats()["by_route"].items()}
    pages = {"GET /api/v1/endpoint": 2, "GET /api/v1/sim": 1}
    assert {route: calls.get(route, 0) for route in pages} == {
        route: number if route in listings else 0 for route, number in pages.items()
    }
    assert selected.rows.height == selected.rows.n_unique() == count
    Inventory.validate(selected.listing.inventory)
    assert (selected.undecided, selected.complete) == (0, True)
    assert selected.listing.whole is (listings == BOTH)
    if listings == BOTH:
        assert (selected.listing.sims, selected.listing.activated, selected.listed) == (1110, 10, 1113)


@pytest.fixture(scope="module")
def fleet() -> Any:
    with Emulator(FLEET, path_limits=False) as carrier:
        yield carrier


@pytest.mark.parametrize(
    ("text", "count", "event_calls", "asked"),
    [
        ("last_event < 7 days ago and sim_status = 'activated'", 9, 1, 10),
        ("last_event >= 7 days ago", 1, 1, 1110),
        ("not last_event >= 7 days ago and tag = 'it''s'", 4, 1, 5),
        ("last_event is null and name = 'pump-1'", 1, 1, 1),
        ("last_event = today or tag = 'it''s'", 5, 1, 1105),
        ("last_event < today and tag = 'nobody'", 0, 0, 0),
        ("last_event < today and sim_id is null", 3, 0, 0),
    ],
)
async def test_the_event_log_is_read_for_those_alone_that_it_decides_about(
    text: str, count: int, event_calls: int, asked: int, fleet: Emulator, tmp_path: Path
) -> None:
    fleet.reset()
    number = FIRST_SIM + 1100
    fleet.fleet.drift_event(1, "Update location", "", Source.NETWORK, sim_id=number, endpoint_id=None)
    before = fleet.stats()["by_route"].get("GET /api/v1/event", 0)
    async with emulated(tmp_path, fleet) as rig:
        wanted = Selection.of(text, FIELDS, EMNIFY, datetime.now(UTC).date())
        selected = await FleetSelection(rig.transport, wanted).select()
    assert selected.rows.height == count
    assert fleet.stats()["by_route"].get("GET /api/v1/event", 0) - before == event_calls
    assert selected.log
    assert (selected.log.calls, selected.log.sims) == (event_calls, asked)


class Moving:
    """SIM 1 was assigned to endpoint 2 after the endpoints were listed; SIM 3 came after the SIMs were listed."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/authenticate"):
            return logged_in()
        self.paths.append(path)
        sims = {
            number: {"id": number, "iccid": f"898830300000000000{number}", "status": {"id": 1}} for number in (1, 3)
        }
        dated = {"activation_date": "2026-01-31T12:00:00.000+0000"}
        headers = {"X-Total-Pages": "1", "X-Total-Count": "1"}
        match path:
            case "/api/v1/endpoint":
                return httpx.Response(200, json=[endpoint(4, sims[3])], headers=headers)
            case "/api/v1/sim":
                return httpx.Response(200, json=[{**sims[1], **dated, "endpoint": {"id": 2}}], headers=headers)
            case "/api/v1/endpoint/2":
                return httpx.Response(200, json=endpoint(2, sims[1]))
            case "/api/v1/sim/3":
                return httpx.Response(200, json={**sims[3], **dated, "endpoint": {"id": 4}})
        return httpx.Response(404)


def endpoint(ident: int, sim: dict[str, Any]) -> dict[str, Any]:
    return {"id": ident, "status": {"id": 0}, "tags": "a", "sim": sim}


async def moving(text: str, tmp_path: Path) -> tuple[Selected, Moving]:
    carrier = Moving()
    async with scripted(tmp_path, carrier) as rig:
        return await FleetSelection(rig.transport, selection(text)).select(), carrier


async def test_what_changed_hands_meanwhile_is_looked_up_before_it_is_judged(tmp_path: Path) -> None:
    selected, carrier = await moving("tag = 'a' and activation_date = 2026-01-31", tmp_path)
    assert sorted(selected.rows.select("sim_id", "endpoint_id").rows()) == [("1", "2"), ("3", "4")]
    assert carrier.paths[2:] == ["/api/v1/endpoint/2", "/api/v1/sim/3"]


async def test_a_field_that_was_not_shown_does_not_count_as_empty(tmp_path: Path) -> None:
    selected, _ = await moving("activation_date is null or tag is null", tmp_path)
    assert selected.rows.is_empty()


def test_items_that_are_odd_have_no_value_there() -> None:
    text = "tag is null and created is null and service_profile is null and imei is null and name is null"
    asked = selection(text)
    judging = Judging(asked, endpoints=True)
    odd: list[Any] = [
        {"id": 1, "tags": " , ", "created": "soon", "service_profile": "x", "imei": None, "name": " "},
        {"id": 2, "tags": [], "created": 5, "service_profile": {"name": {}}, "imei": {}, "name": []},
    ]
    table = judging.table(judging.row(item) for item in odd)
    assert table.select(asked.selects()).to_series().to_list() == [True, True]


@pytest.mark.parametrize(("text", "selects"), [("not tag = 'spare'", False), ("tag = 'depot-7'", False)])
def test_no_tag_is_lost_or_cut_short_however_many_there_are(text: str, selects: bool) -> None:
    many = ",".join(f"tag-{at:03}" for at in range(60))
    many += "," + "x" * (500 - len(many) - len(",,depot-7")) + ",depot-70,spare"  # the 500th sign is the 7
    asked = selection(text)
    judging = Judging(asked, endpoints=True)
    table = judging.table([judging.row({"id": 1, "status": {"id": 0}, "tags": many})])
    assert table.select(asked.selects()).to_series().to_list() == [selects]

"""Reading the event log: windows, types, and events nobody has seen before."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest

from schemas.event_types import STATUS_AFTER
from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Events
from simtandem.carriers.emnify.events import read_events
from simtandem.emulator.server import Emulator, Group
from tests.simtandem.carriers.emnify.rig import FIRST_ENDPOINT, FIRST_SIM, Rig, emulated, logged_in, scripted

SINCE = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
UNTIL = datetime(2026, 3, 1, 11, 0, 0, 500_000, tzinfo=UTC)
CHANGES = tuple(STATUS_AFTER)


class EventLog:
    """Answers event listings from pages held by query; notes what was asked."""

    def __init__(
        self, pages: Sequence[Sequence[dict[str, object]]], *, by_iccid: Sequence[dict[str, object]] = ()
    ) -> None:
        self._pages, self._by_iccid = pages, by_iccid
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/authenticate"):
            return logged_in()
        query = dict(request.url.params)
        self.asked.append(query)
        pages = [self._by_iccid] if "iccid:" in query["q"] else self._pages
        number = min(int(query["page"]), max(len(pages), 1))
        total = sum(len(page) for page in pages)
        headers = {"X-Total-Count": str(total), "X-Total-Pages": str(len(pages))}
        return httpx.Response(200, json=list(pages[number - 1]) if pages else [], headers=headers)


def event(ident: int, kind: int = 8, **more: object) -> dict[str, object]:
    return {
        "id": ident,
        "timestamp": f"2026-03-01T10:00:{ident % 60:02}.000Z",
        "description": "Status of SIM changed from 'Issued' to 'Activated'",
        "event_type": {"id": kind, "description": "SIM activation"},
        "event_source": {"id": 2, "description": "API"},
        "sim": {"id": 7, "iccid": "8988303000000000007"},
        "endpoint": {"id": 9, "name": "lamp"},
        **more,
    }


async def test_a_window_and_the_types_that_tell_a_status_are_one_call(tmp_path: Path) -> None:
    log = EventLog([[event(1)]])
    async with scripted(tmp_path, log) as rig:
        events = await read_events(rig.transport, SINCE, UNTIL, CHANGES)

    assert [asked["q"] for asked in log.asked] == [
        "from:2026-03-01T10:00:00Z,until:2026-03-01T11:00:01Z,type:8|9|10|42|43|45"
    ]
    assert Events.validate(events).row(0, named=True) == {
        "event_id": "1",
        "at": datetime(2026, 3, 1, 10, 0, 1, tzinfo=UTC),
        "type": 8,
        "name": "SIM activation",
        "source": 2,
        "description": "Status of SIM changed from 'Issued' to 'Activated'",
        "user": None,
        "sim_id": "7",
        "iccid": "8988303000000000007",
        "endpoint_id": "9",
    }


async def test_more_than_six_types_are_asked_for_six_at_a_time(tmp_path: Path) -> None:
    log = EventLog([[event(1)]])
    async with scripted(tmp_path, log) as rig:
        events = await read_events(rig.transport, SINCE, UNTIL, [*CHANGES, 50, 51])

    assert [len(asked["q"].split("type:")[1].split("|")) for asked in log.asked] == [6, 2]
    assert events.height == 1  # both answers held the same event


async def test_no_types_is_every_type(tmp_path: Path) -> None:
    log = EventLog([[]])
    async with scripted(tmp_path, log) as rig:
        events = await read_events(rig.transport, SINCE, UNTIL, [])

    assert "type" not in log.asked[0]["q"]
    assert Events.validate(events).is_empty()


async def test_events_that_nobody_foresaw_are_kept(tmp_path: Path) -> None:
    strange: list[dict[str, object]] = [
        event(5, 99, event_type={"id": 99, "description": "Teleported"}),
        {"id": 6},
        event(7, event_source={"id": 8}, timestamp="yesterday", user={"id": 3, "username": "ada@example.com"}),
        event(8, event_type=None, sim=None, endpoint="none", timestamp="2017-10-26T07:28:00.000+0000"),
        event(9, event_type={"id": 77}),
    ]
    async with scripted(tmp_path, EventLog([strange])) as rig:
        events = Events.validate(await read_events(rig.transport, SINCE, UNTIL, []))
    kept = {row["event_id"]: row for row in events.iter_rows(named=True)}

    assert set(kept) == {"5", "6", "7", "8", "9"}
    assert (kept["5"]["type"], kept["5"]["name"]) == (99, "Teleported")
    assert (kept["6"]["type"], kept["6"]["at"], kept["6"]["sim_id"]) == (-1, None, None)
    assert (kept["7"]["source"], kept["7"]["at"], kept["7"]["user"]) == (None, None, "ada@example.com")
    assert kept["8"]["at"] == datetime(2017, 10, 26, 7, 28, tzinfo=UTC)
    assert kept["9"]["name"] == "type 77"


@pytest.mark.parametrize(
    ("pages", "sims", "calls", "by_sim"),
    [
        (1, 1, 1, 0),  # the first page is all there is
        (2, 1, 2, 0),  # one page more costs as much as asking for the SIM
        (4, 6, 2, 1),  # asking for the SIMs costs one call, the other pages three
        (4, 7, 3, 2),  # two calls instead of three
        (4, 18, 4, 0),  # three and three: the window
    ],
)
async def test_a_few_sims_are_asked_for_where_their_window_is_long(
    tmp_path: Path, pages: int, sims: int, calls: int, by_sim: int
) -> None:
    log = EventLog([[event(number)] for number in range(1, pages + 1)], by_iccid=[event(1)])
    iccids = [f"89883030000000{number:05}" for number in range(sims)]
    async with scripted(tmp_path, log) as rig:
        await read_events(rig.transport, SINCE, UNTIL, CHANGES, iccids)

    assert len(log.asked) == calls
    assert sum("iccid:" in asked["q"] for asked in log.asked) == by_sim
    assert all(len(asked["q"].split("iccid:")[1].split("|")) <= 6 for asked in log.asked if "iccid:" in asked["q"])


async def _all_events(rig: Rig, carrier: Emulator, types: Sequence[int] = CHANGES) -> pl.DataFrame:
    times = [each.at for each in carrier.fleet.events]
    since, until = datetime.fromtimestamp(min(times), UTC), datetime.fromtimestamp(max(times) + 1, UTC)
    return Events.validate(await read_events(rig.transport, since, until, types))


async def test_the_carriers_log_is_read_page_by_page(tmp_path: Path) -> None:
    with Emulator([Group(3, SimStatus.ACTIVATED, EndpointStatus.ENABLED)]) as carrier:
        for status in [SimStatus.SUSPENDED, SimStatus.ACTIVATED] * 550:
            carrier.fleet.drift_sim(FIRST_SIM, status)
        carrier.fleet.drift_endpoint(FIRST_ENDPOINT + 1, EndpointStatus.DISABLED)
        async with emulated(tmp_path, carrier) as rig:
            events = await _all_events(rig, carrier)
            some = await _all_events(rig, carrier, [43])

        assert carrier.stats()["by_route"]["GET /api/v1/event"] == 3
    assert events.height == 1101
    assert some.select("type", "sim_id", "endpoint_id", "source").rows() == [
        (43, str(FIRST_SIM + 1), str(FIRST_ENDPOINT + 1), 2)
    ]


async def test_sims_that_can_not_be_asked_for_are_found_in_the_whole_window(tmp_path: Path) -> None:
    log = EventLog([[event(number)] for number in range(1, 6)])

    def without_filter(request: httpx.Request) -> httpx.Response:
        if "iccid:" in request.url.params.get("q", ""):
            return httpx.Response(422, json={"error_code": 1301, "message": "Invalid filter"})
        return log(request)

    async with scripted(tmp_path, without_filter) as rig:
        found = await read_events(rig.transport, SINCE, UNTIL, CHANGES, ["8988303000000000007"])
    assert found.height == 5

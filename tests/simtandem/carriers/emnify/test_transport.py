import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.emnify import transport
from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.carriers.emnify.transport import ATTEMPTS, retry_after
from simtandem.carriers.protocol import Call
from simtandem.carriers.rate_limit import LONGEST_CALL_S
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import CarrierUnavailable, Interrupted
from tests.simtandem.carriers.emnify.rig import (
    APPLICATION_TOKEN,
    GOOD,
    NO_CERTIFICATES,
    ON_CALL,
    SIM_PATH,
    QuickTime,
    Rig,
    ScriptedCarrier,
    breaks,
    calls_to,
    emulated,
    get,
    logged_in,
    says,
    scripted,
)

# --- too many requests


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        (" 3 ", 3.0),
        ("-5", 0.0),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),  # past already
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 -0000", None),  # without a time zone
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, expected: float | None) -> None:
    assert retry_after(httpx.Headers({"Retry-After": header})) == expected


def test_retry_after_as_a_date_is_the_time_until_then() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    wait = retry_after(httpx.Headers({"retry-after": in_a_minute}))
    assert wait == pytest.approx(60, abs=5)


def test_without_headers_there_is_no_retry_after() -> None:
    assert retry_after(None) is None
    assert retry_after(httpx.Headers()) is None


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ({"Retry_After": "7"}, 7, 8),
        ({"Retry_After": "0"}, 1, 2),
        ({"Retry_After": "-5"}, 1, 2),
        ({"Retry_After": "nan"}, 1, 2),
        ({"Retry_After": "Mon, 01 Jan 2024 00:00:00 GMT"}, 1, 2),
        ({}, 1, 2),
        ({"Retry_After": "rubbish"}, 1, 2),
    ],
)
async def test_throttled_call_waits_as_told_and_goes_on(
    tmp_path: Path, header: dict[str, str], least: float, most: float
) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(429, **header), GOOD)) as rig:
        assert await get(rig) is Kind.OK
    assert least <= sum(rig.time.naps) <= most


async def test_throttled_call_waits_until_the_date_it_is_told(tmp_path: Path) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=400), usegmt=True)
    async with scripted(tmp_path, ScriptedCarrier(says(429, Retry_After=date), GOOD)) as rig:
        assert await get(rig) is Kind.OK
    assert 300 <= sum(rig.time.naps) <= 401


async def test_throttled_write_is_sent_again_without_reading_it_back(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(429), says(429), says(204))
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.send(ON_CALL)).kind is Kind.OK
    assert carrier.lines == [f"PATCH {SIM_PATH}"] * 3
    assert rig.journal.sent("PATCH") == [("change", 1), ("change", 2), ("change", 3)]


async def test_429_holds_back_the_calls_of_everybody(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(GOOD, says(429, Retry_After="60"), GOOD)
    async with scripted(tmp_path, carrier) as rig:
        await get(rig)
        before = rig.time.now
        await get(rig)
        await asyncio.gather(get(rig), get(rig))
    assert rig.time.now - before >= 60
    assert len(carrier.requests) == 5


async def test_endless_429s_end_as_unavailable_and_not_as_processed(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(429, Retry_After="300"))) as rig:
        with pytest.raises(CarrierUnavailable, match="HTTP 429 2 times in 300 s") as caught:
            await rig.transport.send(ON_CALL)
    assert (caught.value.status, caught.value.maybe_processed) == (429, False)


@pytest.mark.parametrize("told", [True, False])
async def test_calls_over_the_carriers_limit_go_through_after_its_window(tmp_path: Path, told: bool) -> None:
    time = QuickTime()
    with Emulator([Group(1)], clock=time.clock, calls=3, calls_window_s=60, retry_after=told) as carrier:
        async with emulated(tmp_path, carrier, time) as rig:
            for _ in range(7):
                assert await get(rig) is Kind.OK
        assert carrier.stats()["throttled"] > 0
        assert carrier.stats()["by_status"]["200"] == 8


# --- what goes wrong on the way


@pytest.mark.parametrize(
    "trouble",
    [
        says(200, text="<html>Please log in</html>"),
        says(200, text='[{"id": 1'),
        says(204),
        says(500, {"error_code": 1601, "message": "unavailable"}),
        says(503),
        says(502, text="<html>Bad Gateway</html>"),
        says(408),
        says(200, {"error_code": 1601}),
        breaks(httpx.ReadTimeout),
        breaks(httpx.ReadError),
        breaks(httpx.RemoteProtocolError),
        breaks(httpx.WriteError),
        breaks(httpx.DecodingError),
        breaks(httpx.ConnectError),
        breaks(httpx.ConnectTimeout),
    ],
)
async def test_read_is_repeated_until_it_has_an_answer(tmp_path: Path, trouble: object) -> None:
    carrier = ScriptedCarrier(trouble, trouble, GOOD)  # type: ignore[arg-type]
    async with scripted(tmp_path, carrier) as rig:
        assert await get(rig) is Kind.OK
    assert len(carrier.requests) == 3
    assert rig.journal.sent("GET") == [("read", 1), ("read", 2), ("read", 3)]


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.RESET,
        FaultKind.CLOSE,
        FaultKind.CUT_JSON,
        FaultKind.TRUNCATED,
        FaultKind.MALFORMED_JSON,
        FaultKind.HTML,
        FaultKind.ERROR,
    ],
)
async def test_read_survives_the_emulators_faults(carrier: Emulator, rig: Rig, kind: FaultKind) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(kind, method="GET", times=2))
    assert await get(rig) is Kind.OK
    assert calls_to(carrier) == {"GET /api/v1/sim/{id}": 3}


async def test_read_gives_up_after_so_many_attempts_and_says_what_came_last(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(502, text="<html>"))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(
            CarrierUnavailable, match=rf"GET {SIM_PATH}: no answer in {ATTEMPTS} attempts; .*HTTP 502"
        ) as caught:
            await get(rig)
    assert len(carrier.requests) == ATTEMPTS
    assert (caught.value.status, caught.value.maybe_processed) == (502, False)
    assert sum(rig.time.naps) >= 0.25 + 0.5 + 1 + 2 + 4  # half of each pause at least


async def test_pauses_between_attempts_grow_and_have_an_end(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(503))) as rig:
        for attempt in range(1, 12):
            rig.time.naps.clear()
            await rig.transport.back_off(attempt)
            longest = min(0.25 * 2**attempt, 8)
            assert longest / 2 <= sum(rig.time.naps) <= longest


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 418, 422])
async def test_refused_read_is_not_repeated(tmp_path: Path, status: int) -> None:
    carrier = ScriptedCarrier(says(status))
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.get(SIM_PATH, spacing="sim", purpose="read")).kind.refused
    assert len(carrier.requests) == 1


async def test_redirect_is_refused_and_not_followed(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(307, Location="https://elsewhere.test/api/v1/sim/1"), GOOD)
    async with scripted(tmp_path, carrier) as rig:
        reply = await rig.transport.send(ON_CALL)
    assert reply.kind.refused
    assert [request.url.host for request in carrier.requests] == ["carrier.test"]


@pytest.mark.parametrize("trouble", [breaks(httpx.ConnectError), breaks(httpx.ConnectTimeout)])
async def test_write_that_never_left_is_sent_again(tmp_path: Path, trouble: object) -> None:
    carrier = ScriptedCarrier(trouble, trouble, says(204))  # type: ignore[arg-type]
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.send(ON_CALL)).kind is Kind.OK
    assert len(carrier.requests) == 3


async def test_write_that_never_leaves_ends_as_unavailable_and_certainly_not_processed(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(breaks(httpx.ConnectError))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable, match=r"no connection to carrier\.test, 6 times") as caught:
            await rig.transport.send(ON_CALL)
    assert len(carrier.requests) == ATTEMPTS
    assert not caught.value.maybe_processed


@pytest.mark.parametrize(
    "trouble", [breaks(httpx.ReadTimeout), breaks(httpx.RemoteProtocolError), says(500), says(200, text="<html>")]
)
async def test_unanswered_write_is_handed_back_and_not_repeated_here(tmp_path: Path, trouble: object) -> None:
    carrier = ScriptedCarrier(trouble)  # type: ignore[arg-type]
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.send(ON_CALL)).kind is Kind.UNANSWERED
    assert len(carrier.requests) == 1


class Dripping(httpx.AsyncBaseTransport):
    """A carrier that keeps every connection alive and never comes to an end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return logged_in()
        await asyncio.Event().wait()
        raise AssertionError


async def test_call_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ONE_WITHIN_S", 0.02)
    async with httpx.AsyncClient(base_url="https://carrier.test", transport=Dripping()) as http:
        rig = Rig(tmp_path, http, APPLICATION_TOKEN)
        reply = await rig.transport.send(ON_CALL)
        rig.budget.close()
    assert reply.kind is Kind.UNANSWERED
    assert rig.journal.answers[-1].fault == "TimeoutError"


async def test_what_is_large_may_take_longer_but_never_as_long_as_its_place_is_held(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(200, []))
    async with scripted(tmp_path, carrier) as rig:
        await rig.transport.send(ON_CALL)
        await rig.transport.send(Call("PATCH", "/api/v2/endpoint/multi", "change", body="[]"))
        await rig.transport.get("/api/v1/sim", spacing="sim", purpose="list")
    one, bulk, page = [request.extensions["timeout"] for request in carrier.requests]
    assert one["read"] < bulk["read"] == page["read"] < LONGEST_CALL_S - one["connect"]
    assert one["pool"] is None  # who waits for a connection of ours does not wait for the carrier


async def test_nothing_listens_on_the_port(tmp_path: Path) -> None:
    with Emulator() as gone:
        url = gone.url
    async with httpx.AsyncClient(base_url=url, verify=NO_CERTIFICATES) as http:
        rig = Rig(tmp_path, http, APPLICATION_TOKEN)
        with pytest.raises(CarrierUnavailable, match="can't be reached"):
            await get(rig)
        rig.budget.close()


# --- stopping, and where the carrier is


async def test_halt_ends_calls_that_wait_for_their_turn_and_sends_nothing(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(GOOD)
    async with scripted(tmp_path, carrier) as rig:
        await get(rig)
        rig.budget.halt()
        with pytest.raises(Interrupted):
            await rig.transport.send(ON_CALL)
        assert len(carrier.requests) == 1
        assert [call.method for call in rig.journal.calls] == ["POST", "GET"]
        rig.budget.resume()
        await rig.transport.send(ON_CALL)
    assert len(carrier.requests) == 2


async def test_call_on_its_way_is_finished_and_recorded_after_halt(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await get(rig)
    carrier.configure(latency_s=0.05)
    call = asyncio.create_task(rig.transport.send(ON_CALL))
    await rig.journal.writing.wait()
    rig.budget.halt()
    assert (await call).kind is Kind.OK
    assert rig.journal.unanswered() == []


async def test_base_address_with_a_path_reaches_a_carrier_behind_a_proxy(tmp_path: Path) -> None:
    paths: list[str] = []

    def proxy(request: httpx.Request) -> httpx.Response:
        paths.append(str(request.url))
        return logged_in() if request.method == "POST" else GOOD(request)

    async with httpx.AsyncClient(
        base_url="https://bics.test:8443/emnify", transport=httpx.MockTransport(proxy), verify=NO_CERTIFICATES
    ) as http:
        rig = Rig(tmp_path, http, APPLICATION_TOKEN)
        await rig.transport.get("/api/v1/sim", spacing="sim", purpose="list", query={"page": "1"})
        rig.budget.close()
    assert paths == [
        "https://bics.test:8443/emnify/api/v1/authenticate",
        "https://bics.test:8443/emnify/api/v1/sim?page=1",
    ]
    assert rig.journal.calls[1].path == "/api/v1/sim"

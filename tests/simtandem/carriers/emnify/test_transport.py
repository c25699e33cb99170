import asyncio
import json
import logging
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.base import Answer, Call
from simtandem.carriers.emnify import transport
from simtandem.carriers.emnify.answers import Kind
from simtandem.carriers.emnify.transport import ATTEMPTS, retry_after
from simtandem.carriers.pacing import LONGEST_CALL_S
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted, LedgerError
from tests.simtandem.carriers.emnify.rig import (
    APPLICATION_TOKEN,
    BEARER,
    FIRST_SIM,
    NO_CERTIFICATES,
    MemoryJournal,
    QuickTime,
    Rig,
    ScriptedCarrier,
    breaks,
    emulated,
    logged_in,
    says,
    scripted,
    sim,
)

SIM_PATH = f"/api/v1/sim/{FIRST_SIM}"
GOOD = says(200, sim(1))
ON = Call("PATCH", SIM_PATH, "change", body='{"status": {"id": 1}}')
START = 1_750_000_000.0
AUTHENTICATE = "POST /api/v1/authenticate"


def called(carrier: Emulator) -> dict[str, int]:
    routes: dict[str, int] = carrier.stats()["by_route"]
    return routes


class Door:
    """A carrier that answers logins with what it was given, in turn, and everything else well."""

    def __init__(self, *answers: httpx.Response) -> None:
        self._answers = list(answers)
        self.logins = 0
        self.others = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/authenticate"):
            self.others += 1
            return GOOD(request)
        self.logins += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class HandClock:
    """A clock a test moves by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class FullDisk(MemoryJournal):
    """A journal that can't be written any more."""

    async def intent(self, call: Call) -> str:
        raise LedgerError("disk full")


async def get(rig: Rig, path: str = SIM_PATH) -> Kind:
    return (await rig.transport.get(path, spacing="sim", purpose="read")).kind


# --- letting us in


async def test_many_callers_log_in_once(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    assert await asyncio.gather(*(get(rig) for _ in range(20))) == [Kind.OK] * 20
    assert called(carrier) == {AUTHENTICATE: 1, "GET /api/v1/sim/{id}": 20}


async def test_token_revoked_under_many_callers_is_renewed_once_and_all_go_on(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await get(rig)
    carrier.configure(latency_s=0.02)  # so that all of them are on their way when the token goes
    carrier.inject(FaultRule(FaultKind.REVOKED, path="/sim/", times=1))
    assert await asyncio.gather(*(get(rig) for _ in range(20))) == [Kind.OK] * 20
    assert called(carrier)[AUTHENTICATE] == 2
    assert carrier.stats()["by_status"]["401"] > 1


async def test_write_met_by_a_401_is_sent_again_with_the_new_token(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(FaultKind.REVOKED, method="PATCH", times=1))
    assert (await rig.transport.settle(ON)).kind is Kind.OK
    assert carrier.stats()["sim_patches"] == 1
    assert rig.journal.sent("PATCH") == [("change", 1), ("change", 2)]


async def test_wrong_application_token_costs_one_login_however_many_ask(tmp_path: Path, carrier: Emulator) -> None:
    async with emulated(tmp_path, carrier) as rig:
        carrier.refill([Group(1)])
        carrier.configure(latency_s=0.01)
        wrong = Rig(tmp_path / "wrong", rig.transport._http, "not-the-token")
        got = await asyncio.gather(*(get(wrong) for _ in range(20)), return_exceptions=True)
        wrong.budget.close()
    assert {type(each) for each in got} == {AuthenticationFailed}
    assert called(carrier) == {AUTHENTICATE: 1}
    assert "does not accept the application token (HTTP 401)" in str(got[0])
    assert "SIMTANDEM_EMNIFY_TOKEN" in str(got[0])


async def test_locked_account_is_told_from_a_wrong_token(carrier: Emulator, rig: Rig) -> None:
    async with httpx.AsyncClient(base_url=carrier.url, verify=NO_CERTIFICATES) as stranger:
        for _ in range(3):
            await stranger.post("/api/v1/authenticate", json={"application_token": "wrong"})
    with pytest.raises(AuthenticationFailed, match=r"locked the account.*wait five minutes"):
        await get(rig)
    assert called(carrier) == {AUTHENTICATE: 4}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403),
        httpx.Response(404, json={"message": "Not Found"}),
        httpx.Response(400, json={"error_code": 1400, "message": f"no such token: {APPLICATION_TOKEN}"}),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(200, json={"refresh_token": "and nothing else"}),
        httpx.Response(200, json={"auth_token": ""}),
        httpx.Response(200, json=["odd"]),
    ],
)
async def test_login_that_is_refused_is_not_tried_again_and_names_no_token(
    tmp_path: Path, answer: httpx.Response
) -> None:
    door = Door(answer)
    async with scripted(tmp_path, door) as rig:
        with pytest.raises(AuthenticationFailed) as caught:
            await get(rig)
    assert (door.logins, door.others) == (1, 0)
    assert APPLICATION_TOKEN not in str(caught.value) + repr(caught.value)
    assert "tried once only" in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503),
        httpx.Response(502, text="<html>Bad Gateway</html>"),
        httpx.Response(200, text="<html>Welcome to the hotel's network</html>"),
        httpx.Response(200, content=b'{"auth_token": "eyJ'),
        httpx.Response(429, headers={"Retry-After": "3"}),
        httpx.Response(429),
    ],
)
async def test_login_is_repeated_while_the_carrier_is_in_trouble(tmp_path: Path, trouble: httpx.Response) -> None:
    door = Door(trouble, logged_in())
    async with scripted(tmp_path, door) as rig:
        assert await get(rig) is Kind.OK
    assert door.logins == 2
    assert sum(rig.time.naps) > 0.1


async def test_login_without_an_answer_ends_after_so_many_attempts(tmp_path: Path) -> None:
    door = Door(httpx.Response(503))
    async with scripted(tmp_path, door) as rig:
        with pytest.raises(CarrierUnavailable, match="can't be reached to authenticate") as caught:
            await get(rig)
    assert door.logins == ATTEMPTS
    assert caught.value.status == 503
    assert not caught.value.maybe_processed


async def test_carrier_that_rejects_every_token_it_makes_is_not_asked_for_ever(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(401))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(AuthenticationFailed, match="refuses tokens that it has just made"):
            await get(rig)
    assert len(carrier.requests) <= 5


async def test_token_is_renewed_before_the_carrier_rejects_it(tmp_path: Path) -> None:
    clock = HandClock()
    with Emulator([Group(1)], clock=clock, token_life_s=30) as carrier:
        async with emulated(tmp_path, carrier) as rig:
            rig.transport.tokens._clock = clock
            for at in (0, 26, 28, 29.5, 50, 60):
                clock.now = START + at
                assert await get(rig) is Kind.OK
        assert called(carrier)[AUTHENTICATE] == 3
        assert carrier.stats()["by_status"] == {"200": 9}


async def test_token_that_ends_before_the_hosts_clock_says_so_is_renewed_after_the_401(tmp_path: Path) -> None:
    clock, slow = HandClock(), HandClock()
    with Emulator([Group(1)], clock=clock, token_life_s=600) as carrier:
        async with emulated(tmp_path, carrier) as rig:
            slow.now = START - 3600
            rig.transport.tokens._clock = slow
            await get(rig)
            clock.now += 601
            assert await get(rig) is Kind.OK
        assert called(carrier)[AUTHENTICATE] == 2
        assert carrier.stats()["by_status"]["401"] == 1


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
        ({"Retry_After": "0"}, 0, 1),
        ({}, 1, 2),
        ({"Retry_After": "rubbish"}, 1, 2),
        ({"Retry_After": format_datetime(datetime.now(UTC) + timedelta(seconds=400), usegmt=True)}, 300, 401),
    ],
)
async def test_throttled_call_waits_as_told_and_goes_on(
    tmp_path: Path, header: dict[str, str], least: float, most: float
) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(429, **header), GOOD)) as rig:
        assert await get(rig) is Kind.OK
    assert least <= sum(rig.time.naps) <= most


async def test_throttled_write_is_sent_again_without_reading_it_back(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(429), says(429), says(204))
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.settle(ON)).kind is Kind.OK
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
        with pytest.raises(CarrierUnavailable, match="429 for 1200 s") as caught:
            await rig.transport.settle(ON)
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
    assert called(carrier)["GET /api/v1/sim/{id}"] == 3


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
        rig.time.naps.clear()
        for attempt in range(1, 12):
            await rig.transport.back_off(attempt)
    for attempt, nap in enumerate(rig.time.naps, start=1):
        longest = min(0.25 * 2**attempt, 8)
        assert longest / 2 <= nap <= longest


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 418, 422])
async def test_refused_read_is_not_repeated(tmp_path: Path, status: int) -> None:
    carrier = ScriptedCarrier(says(status))
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.get(SIM_PATH, spacing="sim", purpose="read")).kind.refused
    assert len(carrier.requests) == 1


async def test_redirect_is_refused_and_not_followed(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(307, Location="https://elsewhere.test/api/v1/sim/1"), GOOD)
    async with scripted(tmp_path, carrier) as rig:
        reply = await rig.transport.settle(ON)
    assert reply.kind.refused
    assert [request.url.host for request in carrier.requests] == ["carrier.test"]


@pytest.mark.parametrize("trouble", [breaks(httpx.ConnectError), breaks(httpx.ConnectTimeout)])
async def test_write_that_never_left_is_sent_again(tmp_path: Path, trouble: object) -> None:
    carrier = ScriptedCarrier(trouble, trouble, says(204))  # type: ignore[arg-type]
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.settle(ON)).kind is Kind.OK
    assert len(carrier.requests) == 3


async def test_write_that_never_leaves_ends_as_unavailable_and_certainly_not_processed(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(breaks(httpx.ConnectError))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable, match=r"no connection to carrier\.test, 6 times") as caught:
            await rig.transport.settle(ON)
    assert len(carrier.requests) == ATTEMPTS
    assert not caught.value.maybe_processed


@pytest.mark.parametrize(
    "trouble", [breaks(httpx.ReadTimeout), breaks(httpx.RemoteProtocolError), says(500), says(200, text="<html>")]
)
async def test_unanswered_write_is_handed_back_and_not_repeated_here(tmp_path: Path, trouble: object) -> None:
    carrier = ScriptedCarrier(trouble)  # type: ignore[arg-type]
    async with scripted(tmp_path, carrier) as rig:
        assert (await rig.transport.settle(ON)).kind is Kind.UNANSWERED
    assert len(carrier.requests) == 1


class Dripping(httpx.AsyncBaseTransport):
    """A carrier that keeps every connection alive and never comes to an end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return logged_in()
        await asyncio.Event().wait()
        raise AssertionError


async def test_call_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_CALL_S", 5.02)
    async with httpx.AsyncClient(base_url="https://carrier.test", transport=Dripping()) as http:
        rig = Rig(tmp_path, http, APPLICATION_TOKEN)
        reply = await rig.transport.settle(ON)
        rig.budget.close()
    assert reply.kind is Kind.UNANSWERED
    assert rig.journal.answers[-1].fault == "TimeoutError"


async def test_what_is_large_may_take_longer_but_never_as_long_as_its_place_is_held(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(200, []))
    async with scripted(tmp_path, carrier) as rig:
        await rig.transport.settle(ON)
        await rig.transport.settle(Call("PATCH", "/api/v2/endpoint/multi", "change", body="[]"))
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


# --- the journal


async def test_intent_is_written_before_the_call_leaves_and_the_answer_after(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def carrier(request: httpx.Request) -> httpx.Response:
        *_, (_, last) = rig.journal.lines
        assert isinstance(last, Call)
        seen.append((last.path, len(rig.journal.answers)))
        return logged_in() if request.url.path.endswith("authenticate") else says(204)(request)

    async with scripted(tmp_path, carrier) as rig:
        await rig.transport.settle(ON)
    assert seen == [("/api/v1/authenticate", 0), (SIM_PATH, 1)]
    assert len(rig.journal.answers) == 2
    assert rig.journal.unanswered() == []


async def test_every_call_is_journalled_with_method_path_purpose_attempt_and_body(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await rig.transport.settle(ON)
    await rig.transport.get("/api/v1/sim", spacing="sim", purpose="list", query={"q": "status:1", "page": "1"})
    assert rig.journal.calls == [
        Call("POST", "/api/v1/authenticate", "authenticate"),
        ON,
        Call("GET", "/api/v1/sim", "list"),
    ]
    assert [answer.status for answer in rig.journal.answers] == [200, 204, 200]


async def test_answer_is_journalled_with_status_code_fault_and_the_carriers_id_of_the_request(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(
        lambda _: httpx.Response(409, json={"error_code": 1406}, headers={"X-Request-Id": "r-" + "1" * 90}),
        breaks(httpx.ReadTimeout),
        breaks(httpx.ConnectError),
        says(502, text="<html>"),
        says(204, CF_Ray="ray-1"),
    )
    async with scripted(tmp_path, carrier) as rig:
        for _ in range(4):
            await rig.transport.settle(ON)
    refused, silent, unreached, page, good = [
        Answer(each.status, 0, each.error_code, each.fault, each.request_id) for each in rig.journal.answers[1:]
    ]
    assert refused == Answer(409, 0, 1406, "", ("r-" + "1" * 90)[:64])
    assert silent == Answer(None, 0, None, "ReadTimeout")
    assert unreached == Answer(None, 0, None, "ConnectError")
    assert (page.status, bool(page.fault)) == (502, True)
    assert good == Answer(204, 0, request_id="ray-1")
    assert all(answer.seconds >= 0 for answer in rig.journal.answers)


async def test_nothing_is_sent_where_the_intent_cannot_be_written(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(GOOD)
    async with scripted(tmp_path, carrier) as rig:
        await rig.transport.tokens.current()
        rig.transport._journal = FullDisk()
        with pytest.raises(LedgerError, match="disk full"):
            await rig.transport.settle(ON)
    assert carrier.requests == []


async def test_call_that_is_cancelled_leaves_its_intent_without_an_answer(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await get(rig)
    carrier.configure(latency_s=30)
    call = asyncio.create_task(rig.transport.settle(ON))
    await rig.journal.writing.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(rig.journal.unanswered()) == 1


# --- secrets


class Parrot:
    """A carrier that quotes every secret it is sent in its error messages."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("authenticate"):
            assert json.loads(request.content) == {"application_token": APPLICATION_TOKEN}
            return logged_in()
        assert request.headers["Authorization"] == f"Bearer {BEARER}"
        status = self._statuses.pop(0)
        said = f"no {APPLICATION_TOKEN}, no {BEARER}, no {request.headers['Authorization']}"
        return httpx.Response(status, json={"message": said}) if status != 204 else httpx.Response(204)


async def test_no_secret_in_journal_exceptions_replies_or_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    async with scripted(tmp_path, Parrot(204, 409, 401, 422, *[500] * ATTEMPTS)) as rig:
        told += [repr(await rig.transport.settle(ON)) for _ in range(3)]
        with pytest.raises(CarrierUnavailable) as caught:
            await get(rig)
    told += [repr(caught.value), repr(pickle.dumps(caught.value)), repr(rig.journal.lines), caplog.text]
    assert "HTTP 409" in "".join(told)
    for secret in (APPLICATION_TOKEN, BEARER, "refresh-secret"):
        assert all(secret not in text for text in told)


async def test_no_secret_in_the_logs_of_real_connections(
    carrier: Emulator, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    carrier.refill([Group(1)])
    await rig.transport.settle(ON)
    token = await rig.transport.tokens.current()
    assert "HTTP Request" in caplog.text
    assert carrier.token not in caplog.text + repr(rig.journal.lines)
    assert token not in caplog.text + repr(rig.journal.lines)


# --- stopping, and where the carrier is


async def test_halt_ends_calls_that_wait_for_their_turn_and_sends_nothing(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(GOOD)
    async with scripted(tmp_path, carrier) as rig:
        await get(rig)
        rig.budget.halt()
        with pytest.raises(Interrupted):
            await rig.transport.settle(ON)
        assert len(carrier.requests) == 1
        assert [call.method for call in rig.journal.calls] == ["POST", "GET"]
        rig.budget.resume()
        await rig.transport.settle(ON)
    assert len(carrier.requests) == 2


async def test_call_on_its_way_is_finished_and_recorded_after_halt(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await get(rig)
    carrier.configure(latency_s=0.05)
    call = asyncio.create_task(rig.transport.settle(ON))
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

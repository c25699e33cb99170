"""One call to a typed answer, on the emulator and on answers that it can't make; the key shows nowhere."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from simtandem.carriers.aeris.aeradmin.client import Access, AerAdminClient
from simtandem.carriers.aeris.aeradmin.state_change import StateChangeCall
from simtandem.carriers.aeris.paths import AERADMIN_DETAILS as DETAILS
from simtandem.carriers.http_call import Kind
from simtandem.emulator.aeradmin import server as emulated
from simtandem.emulator.aeradmin.server import AerAdminEmulator, DeviceGroup, HttpFaultRule, State
from simtandem.errors import CarrierRefused, InputError
from tests.simtandem.carriers.aeris.rig import Recorder, budget, network
from tests.simtandem.carriers.emnify.rig import MemoryJournal, QuickTime

KEY = "the/key+that=nobody-repeats-91c4"
BODY = {"accountID": "{account}", "email": "{email}", "{id_kind}": "{id}", "verb": "{word}"}
STATE_CHANGE = StateChangeCall("POST", "rest/made/up", BODY)
FLEET = [DeviceGroup(states=(state,)) for state in State] + [DeviceGroup(states=(State.ACTIVE_BILLED, State.SUSPENDED))]


def access(url: str = "http://127.0.0.1:9", **other: Any) -> Access:
    return Access(url, "1", "operator@example.com", KEY, **{"calls": 100, **other})


@asynccontextmanager
async def connected(
    emulator: AerAdminEmulator, folder: Path, *, journal: MemoryJournal | None = None, **other: Any
) -> AsyncIterator[AerAdminClient]:
    client = AerAdminClient(
        access(emulator.url, **other),
        budget(folder),
        journal or MemoryJournal(),
        state_change=STATE_CHANGE,
        transport=network(),
    )
    async with client:
        yield client


@pytest.fixture(scope="module")
def started() -> Any:
    change = emulated.StateChange(
        "POST", "rest/made/up", BODY, {"do-bill": State.ACTIVE_BILLED, "do-suspend": State.SUSPENDED}
    )
    with AerAdminEmulator(FLEET, keys={KEY: None}, state_change=change) as emulator:
        yield emulator


@pytest.fixture
def emulator(started: AerAdminEmulator) -> AerAdminEmulator:
    started.reset()
    return started


def iccid_in(emulator: AerAdminEmulator, state: State) -> str:
    return emulator.change(lambda site: next(each.iccid for each in site.fleet.profiles() if each.state is state))


def mocked(answer: Callable[[httpx.Request], httpx.Response], folder: Path) -> tuple[AerAdminClient, Recorder]:
    recorder = Recorder(answer)
    client = AerAdminClient(
        access(), budget(folder), MemoryJournal(), state_change=STATE_CHANGE, transport=recorder.transport
    )
    return client, recorder


async def test_billed_device_is_read(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    iccid = iccid_in(emulator, State.ACTIVE_BILLED)
    async with connected(emulator, tmp_path) as client:
        answer = await client.details("ICCID", iccid)
        by_imsi = await client.details("IMSI", answer.sims[0].imsi)
    assert (answer.reply.kind, answer.reply.status) == (Kind.OK, 200)
    assert [(sim.iccid, sim.status_word) for sim in answer.sims] == [(iccid, "Bill")]
    assert answer.profile_id.startswith("AER")
    assert by_imsi.sims == answer.sims


async def test_every_sim_of_a_device_is_read_with_its_own_word(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    iccid = emulator.change(lambda site: site.fleet.devices[-1].profiles[0].iccid)
    async with connected(emulator, tmp_path) as client:
        answer = await client.details("ICCID", iccid)
    assert [sim.status_word for sim in answer.sims] == ["Bill", "Suspend"]


async def test_refusal_inside_a_200_is_a_refusal(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    async with connected(emulator, tmp_path) as client:
        never = await client.details("ICCID", iccid_in(emulator, State.ASSIGNED))
        unknown = await client.details("ICCID", "8918512000000000000")
    assert (never.reply.kind, never.reply.code, never.not_activated, never.sims) == (Kind.REFUSED, "1047", True, ())
    assert "Device not Activated." in never.reply.sentence
    assert (unknown.reply.kind, unknown.not_activated) == (Kind.REFUSED, False)


async def test_result_of_one_sim_refuses_the_whole_answer(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    iccid = iccid_in(emulator, State.ACTIVE_BILLED)
    emulator.change(lambda site: setattr(site.fleet.find("ICCID", iccid)[1], "result", (5, "Made up.")))  # type: ignore[index]
    async with connected(emulator, tmp_path) as client:
        answer = await client.details("ICCID", iccid)
    assert (answer.reply.kind, answer.reply.code, answer.sims) == (Kind.REFUSED, "5", ())


async def test_never_provisioned_is_what_the_whole_answer_says_not_one_sim_of_it(
    emulator: AerAdminEmulator, tmp_path: Path
) -> None:
    iccid = iccid_in(emulator, State.ACTIVE_BILLED)
    emulator.change(lambda site: setattr(site.fleet.find("ICCID", iccid)[1], "result", (1047, "Made up.")))  # type: ignore[index]
    async with connected(emulator, tmp_path) as client:
        answer = await client.details("ICCID", iccid)
    assert (answer.reply.code, answer.not_activated) == ("1047", False), "another SIM of the device may be billed"


async def test_key_that_has_ended_is_told_apart_from_other_refusals(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    emulator.change(lambda site: site.keys.update({KEY: 0.0}))
    async with connected(emulator, tmp_path) as client:
        answer = await client.details("ICCID", iccid_in(emulator, State.ACTIVE_BILLED))
    assert (answer.reply.kind, answer.reply.status) == (Kind.UNAUTHORIZED, 401)
    assert emulator.stats()["calls"] == 1, "it is not tried again"


async def test_change_is_taken_and_shows_when_it_is_read(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    iccid, journal = iccid_in(emulator, State.ACTIVE_BILLED), MemoryJournal()
    async with connected(emulator, tmp_path, journal=journal) as client:
        reply = await client.change("ICCID", iccid, "do-suspend")
        assert reply.kind is Kind.OK
        assert (await client.details("ICCID", iccid)).sims[0].status_word == "Suspend"
        assert (await client.change("ICCID", iccid_in(emulator, State.ASSIGNED), "do-suspend")).kind is Kind.REFUSED
    assert [(call.method, call.path, call.purpose) for call in journal.calls[:2]] == [
        ("POST", "/AerAdmin_WS_5_0/rest/made/up", "change"),
        ("POST", DETAILS, "read"),
    ]
    assert json.loads(journal.calls[0].body or "")["ICCID"] == iccid
    assert journal.unanswered() == []


async def test_unanswered_change_may_have_been_applied(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    iccid = iccid_in(emulator, State.ACTIVE_BILLED)
    emulator.inject(HttpFaultRule("close", path="made/up", processed=True))
    async with connected(emulator, tmp_path) as client:
        reply = await client.change("ICCID", iccid, "do-suspend")
        assert (reply.kind, reply.status) == (Kind.UNANSWERED, None)
        assert (await client.details("ICCID", iccid)).sims[0].status_word == "Suspend"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("error", Kind.UNANSWERED),
        ("html", Kind.UNANSWERED),
        ("too_many", Kind.THROTTLED),
        ("reset", Kind.UNANSWERED),
        ("truncated", Kind.UNANSWERED),
        ("cut_json", Kind.UNANSWERED),
        ("malformed_json", Kind.UNANSWERED),
    ],
)
async def test_fault_has_its_class(emulator: AerAdminEmulator, tmp_path: Path, kind: str, expected: Kind) -> None:
    emulator.inject(HttpFaultRule(kind))
    async with connected(emulator, tmp_path) as client:
        answer = await client.details("ICCID", iccid_in(emulator, State.ACTIVE_BILLED))
    assert (answer.reply.kind, answer.sims) == (expected, ())


async def test_nobody_there_is_certainly_not_processed(tmp_path: Path) -> None:
    with AerAdminEmulator(1) as gone:
        pass
    async with connected(gone, tmp_path) as client:
        assert (await client.change("ICCID", "1", "do-bill")).kind is Kind.UNREACHED


async def test_calls_keep_their_rate_and_go_one_at_a_time(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    iccid, time = iccid_in(emulator, State.ACTIVE_BILLED), QuickTime()
    emulator.configure(latency_s=0.01)
    client = AerAdminClient(access(emulator.url, calls=2), budget(tmp_path, time), MemoryJournal(), transport=network())
    begun = time.now
    async with client:
        await asyncio.gather(*(client.details("ICCID", iccid) for _ in range(6)))
    assert emulator.stats()["most_in_flight"] == 1
    assert 2 <= time.now - begun <= 3, "two a second"


async def test_429_makes_the_next_call_wait(emulator: AerAdminEmulator, tmp_path: Path) -> None:
    emulator.inject(HttpFaultRule("too_many", times=1))
    iccid, time = iccid_in(emulator, State.ACTIVE_BILLED), QuickTime()
    async with AerAdminClient(
        access(emulator.url), budget(tmp_path, time), MemoryJournal(), transport=network()
    ) as client:
        assert (await client.details("ICCID", iccid)).reply.kind is Kind.THROTTLED
        begun = time.now
        assert (await client.details("ICCID", iccid)).reply.kind is Kind.OK
    assert time.now - begun >= 1


async def test_change_that_was_never_described_is_refused_with_where_to_look(
    emulator: AerAdminEmulator, tmp_path: Path
) -> None:
    async with AerAdminClient(access(emulator.url), budget(tmp_path), MemoryJournal()) as client:
        with pytest.raises(CarrierRefused, match=r"section 6\.7") as refusal:
            await client.change("ICCID", "1", "do-bill")
    assert "Nothing was sent" in str(refusal.value)
    assert emulator.stats()["calls"] == 0


# --- the key


class Echo:
    """Repeats the whole address of a call, key and all, in what it answers."""

    def __init__(self, status: int, *, breaks: bool = False) -> None:
        self._status = status
        self.breaks = breaks

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.breaks:
            raise httpx.ReadError(f"broken at {request.url}", request=request)
        said = {
            "code": self._status,
            "resultCode": 7,
            "message": str(request.url),
            "resultMessage": f"{KEY} {request.url}",
        }
        return httpx.Response(
            self._status, json=said, headers={"Location": str(request.url), "X-Request-Id": str(request.url)}
        )


@pytest.mark.parametrize("echo", [*(Echo(status) for status in (200, 302, 401, 404, 429, 500)), Echo(0, breaks=True)])
async def test_key_is_sent_and_shows_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture, echo: Echo) -> None:
    caplog.set_level(logging.DEBUG)
    recorder, journal = Recorder(echo), MemoryJournal()

    def client() -> AerAdminClient:
        """One for each call: after a refused key none begins."""
        return AerAdminClient(
            access(), budget(tmp_path), journal, state_change=STATE_CHANGE, transport=recorder.transport
        )

    async with client() as reading, client() as changing:
        answers = [(await reading.details("ICCID", "1")).reply, await changing.change("ICCID", "1", "do-bill")]
    assert [request.url.params["apiKey"] for request in recorder.requests] == [KEY, KEY]
    assert caplog.records or echo.breaks, "httpx tells of its calls"
    assert "apiKey" not in f"{caplog.text} {journal.calls}"
    seen = f"{journal.lines} {[(each.sentence, each.code, each.data) for each in answers]} {access()!r} {caplog.text}"
    assert "nobody-repeats" not in seen


async def test_key_never_leaves_for_another_host(tmp_path: Path) -> None:
    client, recorder = mocked(
        lambda _: httpx.Response(302, headers={"Location": "http://elsewhere.example/"}), tmp_path
    )
    async with client:
        answer = await client.details("ICCID", "1")
    assert (answer.reply.kind, len(recorder.requests)) == (Kind.REFUSED, 1)


# --- answers that the emulator does not make


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"resultCode": "0"},
        {"resultCode": True},
        {"resultCode": 0},
        {"resultCode": 0, "deviceAttributes": []},
        {"resultCode": 0, "deviceAttributes": [{"deviceID": {"iccId": "1"}}]},
        {"resultCode": 0, "deviceAttributes": [{"deviceID": {"iccId": "1"}, "deviceStatus": 1}]},
        {"resultCode": 0, "deviceAttributes": [{"deviceID": {"iccId": "1"}, "deviceStatus": "Bill"}, None]},
        {"resultCode": 0, "deviceAttributes": [{"deviceID": {"iccId": "2"}, "deviceStatus": "Bill"}]},
    ],
)
async def test_answer_that_does_not_say_all_is_none(tmp_path: Path, content: object) -> None:
    client, _ = mocked(lambda _: httpx.Response(200, json=content), tmp_path)
    async with client:
        answer = await client.details("ICCID", "1")
    assert (answer.reply.kind, answer.sims) == (Kind.UNANSWERED, ())


@pytest.mark.parametrize(
    ("asked", "shown", "same"),
    [
        ("8918512000000000001", "89185120000000000014", True),
        ("89185120000000000014", "8918512000000000001", True),
        ("8918512000000000001", "8918512000000000002", False),
        ("891851200000000000", "8918512000000000001", False),
    ],
)
async def test_iccid_may_come_back_with_or_without_its_last_digit(
    tmp_path: Path, asked: str, shown: str, same: bool
) -> None:
    sim = {"deviceID": {"iccId": shown}, "deviceStatus": "Bill"}
    client, _ = mocked(lambda _: httpx.Response(200, json={"resultCode": 0, "deviceAttributes": [sim]}), tmp_path)
    async with client:
        answer = await client.details("ICCID", asked)
    assert (answer.reply.kind is Kind.OK) is same


# --- the description of the change


@pytest.mark.parametrize(
    ("path", "body"), [("rest/x", {"id": "{id}"}), ("rest/x", {"a": "{word}"}), ("rest/{id}?do={word}", None)]
)
def test_description_that_can_t_work_is_refused(path: str, body: object) -> None:
    with pytest.raises(InputError, match=r"no place|query"):
        StateChangeCall("POST", path, body)


@pytest.mark.parametrize("ident", ["../1", "1?x=2", "..", "", "1#a", "a/b"])
def test_value_that_would_change_the_path_is_refused(ident: str) -> None:
    with pytest.raises(InputError, match="can't be in the path"):
        StateChangeCall("PUT", "rest/{id}/{word}").filled({"id": ident, "word": "go"})


def test_description_is_filled_in_path_keys_and_values() -> None:
    call = StateChangeCall("PUT", "/rest/{id}", {"{id_kind}": ["{id}"], "to": {"word": "{word}", "n": 1}})
    path, body = call.filled({"id": "1", "id_kind": "ICCID", "word": 'a "quoted" word'})
    assert path == "rest/1"
    assert json.loads(body or b"") == {"ICCID": ["1"], "to": {"word": 'a "quoted" word', "n": 1}}

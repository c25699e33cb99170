"""What holds for a call to any carrier: it stays at its host, is journalled before it leaves, and ends in bounds."""

import ssl
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.http_call import Content, Kind, Received, Reply, Sender, by_status, shown, trusted, unusable
from simtandem.carriers.protocol import Call, Outdated
from simtandem.carriers.rate_limit import Window
from simtandem.errors import CarrierRefused, Interrupted
from tests.simtandem.carriers.aeris.rig import Recorder, budget
from tests.simtandem.carriers.emnify.rig import MemoryJournal

WINDOWS = (Window("all", 10, 1.0),)


def read(received: Received) -> Reply:
    if received.status >= 300:
        return by_status(received, "abc", "why")
    return unusable(received) if received.flaw else Reply(Kind.OK, received.status, data=received.data)


class Desk:
    def __init__(self, folder: Path, answer: httpx.Response | None = None) -> None:
        self.journal = MemoryJournal()
        self.recorder = Recorder(lambda _: answer or httpx.Response(200, json={}))
        self.budget = budget(folder)
        http = httpx.AsyncClient(base_url="http://carrier.example", transport=self.recorder.transport)
        self.sender = Sender(http, self.budget, self.journal)

    async def send(self, call: Call) -> Reply:
        return await self.sender.send(call, Content(), WINDOWS, read)


@pytest.mark.parametrize("path", ["http://elsewhere.example/a", "https://carrier.example/a"])
async def test_call_that_would_leave_its_host_is_not_sent(tmp_path: Path, path: str) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(CarrierRefused, match="not sent"):
        await desk.send(Call("GET", path, "read"))
    assert (desk.recorder.requests, desk.journal.lines) == ([], [])


async def test_what_is_not_fresh_any_more_is_not_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(Outdated):
        await desk.send(Call("POST", "/a", "change", fresh=lambda: False))
    assert (desk.recorder.requests, desk.journal.lines) == ([], [])


async def test_nothing_is_sent_after_a_halt(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.budget.halt()
    with pytest.raises(Interrupted):
        await desk.send(Call("GET", "/a", "read"))
    assert desk.recorder.requests == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Kind.REFUSED),
        (400, Kind.REFUSED),
        (401, Kind.UNAUTHORIZED),
        (404, Kind.REFUSED),
        (408, Kind.UNANSWERED),
        (418, Kind.REFUSED),
        (429, Kind.THROTTLED),
        (500, Kind.UNANSWERED),
        (529, Kind.UNANSWERED),
    ],
)
async def test_status_says_what_to_do(tmp_path: Path, status: int, kind: Kind) -> None:
    desk = Desk(tmp_path, httpx.Response(status, json={}))
    reply = await desk.send(Call("GET", "/a", "read"))
    assert (reply.kind, reply.status) == (kind, status)
    assert f"HTTP {status}, code abc: why" in reply.sentence
    (answer,) = desk.journal.answers
    assert (answer.status, answer.error_code, bool(answer.fault)) == (status, None, kind is Kind.UNANSWERED)


async def test_call_is_in_the_journal_before_it_leaves_and_its_fault_after(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def breaks(_request: httpx.Request) -> httpx.Response:
        assert len(desk.journal.calls) == 1
        raise httpx.ReadTimeout("too slow")

    desk.recorder._answer = breaks
    assert (await desk.send(Call("GET", "/a", "read"))).kind is Kind.UNANSWERED
    assert desk.journal.answers[0].fault == "ReadTimeout"


@pytest.mark.parametrize(
    ("message", "told"), [(None, ""), (5, ""), ("a\n\x1b[31m b", "a [31m b"), ("x" * 500, "x" * 160)]
)
def test_message_is_short_and_on_one_line(message: object, told: str) -> None:
    assert shown(message) == told


def test_certificates_are_good_as_ever_and_none_is_over_plain_http() -> None:
    assert trusted("https://cdn.emnify.net") is True
    nobody = trusted("http://127.0.0.1:8080")
    assert isinstance(nobody, ssl.SSLContext)
    assert nobody.verify_mode is ssl.CERT_REQUIRED
    assert nobody.check_hostname
    assert nobody.get_ca_certs() == []

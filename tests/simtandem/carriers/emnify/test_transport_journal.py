import asyncio
import json
import logging
import pickle
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.carriers.protocol import Answer, Call
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import CarrierUnavailable, LedgerError
from tests.simtandem.carriers.emnify.rig import (
    APPLICATION_TOKEN,
    BEARER,
    GOOD,
    ON_CALL,
    SIM_PATH,
    MemoryJournal,
    Rig,
    ScriptedCarrier,
    breaks,
    get,
    logged_in,
    says,
    scripted,
)


class FullDisk(MemoryJournal):
    """A journal that can't be written any more."""

    async def intent(self, call: Call) -> str:
        raise LedgerError("disk full")


# --- the journal


async def test_intent_is_written_before_the_call_leaves_and_the_answer_after(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def carrier(request: httpx.Request) -> httpx.Response:
        *_, (_, last) = rig.journal.lines
        assert isinstance(last, Call)
        seen.append((last.path, len(rig.journal.answers)))
        return logged_in() if request.url.path.endswith("authenticate") else says(204)(request)

    async with scripted(tmp_path, carrier) as rig:
        await rig.transport.send(ON_CALL)
    assert seen == [("/api/v1/authenticate", 0), (SIM_PATH, 1)]
    assert len(rig.journal.answers) == 2
    assert rig.journal.unanswered() == []


async def test_every_call_is_journalled_with_method_path_purpose_attempt_and_body(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await rig.transport.send(ON_CALL)
    await rig.transport.get("/api/v1/sim", spacing="sim", purpose="list", query={"q": "status:1", "page": "1"})
    assert rig.journal.calls == [
        Call("POST", "/api/v1/authenticate", "authenticate"),
        ON_CALL,
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
            await rig.transport.send(ON_CALL)
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
            await rig.transport.send(ON_CALL)
    assert carrier.requests == []


async def test_call_that_is_cancelled_leaves_its_intent_without_an_answer(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await get(rig)
    carrier.configure(latency_s=30)
    call = asyncio.create_task(rig.transport.send(ON_CALL))
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
        told += [repr(await rig.transport.send(ON_CALL)) for _ in range(3)]
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
    await rig.transport.send(ON_CALL)
    token = await rig.transport.tokens.current()
    assert "HTTP Request" in caplog.text
    assert carrier.token not in caplog.text + repr(rig.journal.lines)
    assert token not in caplog.text + repr(rig.journal.lines)

"""What the guard answers, and for how long it listens, before anybody has logged in."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from simtandem.prefect_server.guard import Guard, Names
from tests.simtandem.prefect_server.test_guard import CREDENTIAL, HERE, Prefect, ask, basic


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def guard(prefect: Prefect, tmp_path: Path) -> Guard:
    return Guard(prefect, CREDENTIAL, Names(), tmp_path)


async def test_a_websocket_that_says_nothing_is_closed(tmp_path: Path) -> None:
    messages, sent = [{"type": "websocket.connect"}], list[Any]()

    async def receive() -> Any:
        return messages.pop(0) if messages else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        assert (await receive())["type"] == "websocket.disconnect"

    silent = Guard(app, CREDENTIAL, Names(), tmp_path, logs_in_within_s=0.01)
    scope = {"type": "websocket", "path": "/api/events/in", "headers": [(b"host", HERE.encode())]}
    async with asyncio.timeout(5):
        await silent(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc", "/docs/"])
async def test_the_description_of_the_api_is_for_those_who_are_logged_in(
    guard: Guard, prefect: Prefect, path: str
) -> None:
    assert (await ask(guard, path)).status == 401
    assert prefect.asked == []
    assert (await ask(guard, path, authorization=basic(CREDENTIAL))).status == 200


@pytest.mark.parametrize("path", ["/", "/v2/docs", "/ui-settings", "/assets/index.js"])
async def test_the_files_of_the_ui_are_for_everybody(guard: Guard, path: str) -> None:
    assert (await ask(guard, path)).status == 200

"""What is shown while a run sends gives up at once; what is shown at its end waits for the server."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from tasks import best_effort
from tasks.best_effort import _Patience


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_effort, "_PATIENCE_S", 0.02)
    monkeypatch.setattr(best_effort, "_LAST_PATIENCE_S", 0.3)
    monkeypatch.setattr(best_effort, "_ASK_AGAIN_S", 0.01)


async def hangs() -> str:
    await asyncio.sleep(60)
    return "in vain"


async def answers() -> str:
    return "shown"


def refuses(times: int, error: Exception) -> Callable[[], Coroutine[Any, Any, str]]:
    """A server that is away so many times, and then shows it."""
    left = [times]

    async def make() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "shown"

    return make


async def test_after_a_server_that_hangs_nothing_is_tried_for_a_while() -> None:
    patience = _Patience()
    assert await patience.attempt(hangs()) is None
    assert await patience.attempt(answers()) is None, "not even tried"


async def test_the_result_is_shown_though_the_server_hung_a_moment_ago() -> None:
    patience = _Patience()
    await patience.attempt(hangs())
    assert await patience.insist(answers) == "shown"


async def test_the_result_waits_for_a_server_that_is_started_again() -> None:
    assert await _Patience().insist(refuses(5, httpx.ConnectError("refused"))) == "shown"


async def test_a_server_that_stays_away_is_given_up_and_the_run_has_its_end() -> None:
    assert await _Patience().insist(refuses(10**9, httpx.ConnectError("refused"))) is None
    assert await _Patience().insist(hangs) is None


async def test_a_server_that_was_waited_for_in_vain_is_not_waited_for_as_long_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience = _Patience()
    assert await patience.insist(hangs) is None
    monkeypatch.setattr(best_effort, "_LAST_PATIENCE_S", 3600)
    assert await patience.insist(hangs) is None
    assert await patience.insist(answers) == "shown"
    assert not patience.lost, "it is back"


async def test_a_server_that_answers_with_an_error_is_not_asked_again() -> None:
    """Else the second try would show it."""
    response = httpx.Response(422, request=httpx.Request("POST", "http://127.0.0.1/api/artifacts"))
    error = PrefectHTTPStatusError("no such artifact", request=response.request, response=response)
    assert await _Patience().insist(refuses(1, error)) is None

"""The time that the Prefect server's answers say."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from simtandem.prefect_server.server_time import server_time


class Answering:
    """Prefect's client, of a server whose answers have these headers."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers

    async def request(self, method: str, path: str) -> object:
        assert (method, path) == ("GET", "/health")
        return SimpleNamespace(headers=self.headers)


async def test_the_time_is_that_of_the_server() -> None:
    answering = cast("Any", Answering(Date="Thu, 26 Nov 2020 20:05:53 GMT"))
    assert await server_time(answering) == datetime(2020, 11, 26, 20, 5, 53, tzinfo=UTC)


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": "Thu, 26 Nov 2020 20:05:53 -0000"}])
async def test_an_answer_without_a_time_leaves_that_of_this_host(headers: dict[str, str]) -> None:
    before = datetime.now(UTC)
    assert before <= await server_time(cast("Any", Answering(**headers))) <= datetime.now(UTC)

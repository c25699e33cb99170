from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRunInput, State
from prefect.exceptions import Pause

from simtandem.runs.run import new_run_id
from tasks import suspension
from tasks.suspension import new_key

RUN = "20260131T120000-a1b2c3"


def test_a_key_names_its_question_and_is_never_the_same() -> None:
    first, second = (new_key(2, "bbbb333344445555", RUN) for _ in range(2))
    assert first != second
    found = suspension._KEYS.fullmatch(first)
    assert found is not None
    assert (found["time"], found["subject"], found["run_id"]) == ("2", "bbbb333344445555", RUN.lower())


def test_prefect_takes_the_key() -> None:
    key = new_key(1, "bbbb333344445555", new_run_id(datetime.now(UTC)))
    given = FlowRunInput(flow_run_id=uuid4(), key=f"suspended-{key}-schema", value="")
    assert given.key.endswith("-schema")


def test_a_key_of_an_earlier_version_names_no_run() -> None:
    found = suspension._KEYS.fullmatch("approve-1-bbbb333344445555-a1b2c3")
    assert found is not None
    assert found["run_id"] is None


@pytest.mark.parametrize("key", ["approve", "approve-x-y-z", "approve-1", "pause-1-aa-bb", "approve-1-aa-../../x-bb"])
def test_what_somebody_else_wrote_there_is_no_key(key: str) -> None:
    assert suspension._KEYS.fullmatch(key) is None


async def test_the_time_for_an_answer_is_by_the_clock_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[State[Any]] = []
    there = datetime(2020, 11, 26, 20, 5, 53, tzinfo=UTC)

    @asynccontextmanager
    async def a_client() -> AsyncIterator[None]:
        yield

    async def server_time(_client: object) -> datetime:
        return there

    async def propose(_client: object, state: State[Any], flow_run_id: object) -> State[Any]:
        asked.append(state)
        return state

    async def save(*_: object) -> None:
        pass

    monkeypatch.setattr(suspension, "get_client", a_client)
    monkeypatch.setattr(suspension, "server_time", server_time)
    monkeypatch.setattr(suspension, "propose_state", propose)
    monkeypatch.setattr(suspension, "_still_alive", lambda _flow_run: None)
    form = cast("Any", SimpleNamespace(asave=save))
    with pytest.raises(Pause):
        await suspension.ask(form, uuid4(), new_key(1, "bbbb333344445555", RUN), "Approve it", 3600)
    assert asked[0].state_details.pause_timeout == there + timedelta(hours=1)

import asyncio
from collections.abc import Iterator

import pytest

from simtandem import progress
from simtandem.progress import Watcher


@pytest.fixture(autouse=True)
def _nobody_afterwards() -> Iterator[None]:
    before = progress.current()
    yield
    progress.watch(before)


def test_a_stop_reaches_everybody_who_listens() -> None:
    watcher, heard = Watcher(), []
    watcher.on_stop(lambda: heard.append("first"))
    watcher.on_stop(lambda: heard.append("second"))
    assert heard == []
    watcher.stop()
    assert heard == ["first", "second"]
    assert watcher.stop_requested


def test_a_stop_asked_for_before_is_heard_at_once() -> None:
    watcher, heard = Watcher(), []
    watcher.stop()
    watcher.on_stop(lambda: heard.append("late"))
    assert heard == ["late"]


def test_a_watcher_can_stop_once_somebody_listens() -> None:
    watcher = Watcher()
    assert not watcher.can_stop
    watcher.on_stop(lambda: None)
    assert watcher.can_stop


async def test_a_watcher_is_found_in_its_context_and_those_made_from_it() -> None:
    async def found() -> Watcher:
        return progress.current()

    async def watched_elsewhere() -> Watcher:
        progress.watch(Watcher())
        return progress.current()

    mine = Watcher()
    progress.watch(mine)
    assert await asyncio.create_task(found()) is mine
    assert await asyncio.create_task(watched_elsewhere()) is not mine
    assert progress.current() is mine


async def test_where_nobody_looks_on_each_run_gets_a_watcher_of_its_own() -> None:
    async def own() -> Watcher:
        progress.watch(progress._NOBODY)
        return progress.own()

    first, second = await asyncio.create_task(own()), await asyncio.create_task(own())
    assert first is not second
    assert progress._NOBODY not in (first, second)
    progress.watch(first)
    assert progress.own() is first

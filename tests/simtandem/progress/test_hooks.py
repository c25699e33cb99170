import asyncio
from collections.abc import Iterator

import pytest

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.progress import ProgressHooks, Sending
from simtandem.progress import hooks as all_hooks


@pytest.fixture(autouse=True)
def _nobody_afterwards() -> Iterator[None]:
    before = progress.current()
    yield
    progress.install(before)


def test_a_stop_reaches_everybody_who_listens() -> None:
    hooks, heard = ProgressHooks(), []
    hooks.on_stop(lambda: heard.append("first"))
    hooks.on_stop(lambda: heard.append("second"))
    assert heard == []
    hooks.stop()
    assert heard == ["first", "second"]
    assert hooks.stop_requested


def test_a_stop_asked_for_before_is_heard_at_once() -> None:
    hooks, heard = ProgressHooks(), []
    hooks.stop()
    hooks.on_stop(lambda: heard.append("late"))
    assert heard == ["late"]


def test_a_run_can_be_stopped_once_it_has_a_callback() -> None:
    hooks = ProgressHooks()
    assert not hooks.can_stop
    hooks.on_stop(lambda: None)
    assert hooks.can_stop


async def test_hooks_are_found_in_their_context_and_those_copied_from_it() -> None:
    async def found() -> ProgressHooks:
        return progress.current()

    async def watched_elsewhere() -> ProgressHooks:
        progress.install(ProgressHooks())
        return progress.current()

    mine = ProgressHooks()
    progress.install(mine)
    assert await asyncio.create_task(found()) is mine
    assert await asyncio.create_task(watched_elsewhere()) is not mine
    assert progress.current() is mine


async def test_without_hooks_each_run_gets_its_own() -> None:
    async def own() -> ProgressHooks:
        progress.install(all_hooks._NONE)
        return progress.own()

    first, second = await asyncio.create_task(own()), await asyncio.create_task(own())
    assert first is not second
    assert all_hooks._NONE not in (first, second)
    progress.install(first)
    assert progress.own() is first


def test_what_is_reported_is_counted() -> None:
    hooks = ProgressHooks()
    hooks.begins("planning")
    assert hooks.meter.line() == "planning"
    hooks.idles()
    assert hooks.meter.line() == ""
    hooks.applies(Sending(2, 2, 1, 3))
    hooks.ended(Half.SIM, Outcome.FAILED)
    hooks.devices_done(1)
    hooks.stop()
    assert hooks.meter.done == 1
    assert hooks.meter.line().endswith("stopping · changes: 1 failed")


def test_hooks_that_a_run_gets_for_itself_are_nobodys_at_a_terminal() -> None:
    progress.install(all_hooks._NONE)
    assert progress.own() is not all_hooks._NONE
    assert not progress.attended()

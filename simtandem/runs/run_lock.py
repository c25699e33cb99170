"""Runs of one home send for one account one after the other; who comes later sends what is left of its plan.

Two runs that send at once would each send what the other has just done: a PATCH to a status already held.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import polars as pl

from schemas.statuses import Action
from simtandem import progress
from simtandem.domain.safety import costly
from simtandem.host.file_lock import lock_file, taken
from simtandem.runs.fresh_look import FreshLook
from simtandem.runs.run import Run
from simtandem.settings import Settings

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_CHANGED = "Another run has changed devices since this one was planned; reading them again."
_ON_THEIR_WAY = (
    "A run ended shortly before this one was planned, without answers to its last calls; reading them again."
)
_LANDING = timedelta(seconds=15)
"""What a killed run sent so long ago has come to the carrier, or never will."""


@asynccontextmanager
async def one_at_a_time(settings: Settings, given_up: Callable[[], bool]) -> AsyncIterator[bool]:
    """In this block no other run of this home sends for this account. False where the waiting was given up instead.

    The lock is a file's: it is released when its process ends, however that ends.
    """
    lock, told = lock_file(settings.home / f"sending-{settings.account_key.file_name}.lock"), False
    while not given_up() and not taken(lock):
        if not told:
            told = True
            _tell(f"Another run is changing devices of {settings.account_key}; waiting for its end.")
        await asyncio.sleep(_LOOK_S)
    try:
        yield lock.is_locked
    finally:
        lock.release()


async def changed_meanwhile(run: Run, look: FreshLook, given_up: Callable[[], bool]) -> pl.DataFrame:
    """The plan's rows to be read again before the first is sent, now that this run holds the lock.

    All of them where another run sent changes since the listing; else those that an old look is not good enough for,
    if they can all be sent before this one is old. Where they can't, each batch looks for itself.
    """
    plan = run.folder.table("plan.parquet").filter(pl.col("action") == Action.CHANGE)
    if run.ledger.changed_by_others(run.run_id, look.listed.wall):
        await _let_land(run, given_up)
        sure = run.ledger.changed_by_others(run.run_id, look.listed.wall, sure=True)
        _tell(_CHANGED if sure else _ON_THEIR_WAY)
        return plan
    if not look.stale(look.listed):
        return plan.clear()
    rows = costly(plan, run.lifecycle)
    if look.cost.at_once(rows.height) < rows.height:
        return rows.clear()
    if rows.height:
        _tell("Time has passed since the devices were listed; reading those again that must not have moved.")
    return rows


async def _let_land(run: Run, given_up: Callable[[], bool]) -> None:
    """A run that was killed may have left calls on their way: wait until what they do can be read."""
    clock = run.ledger.clock
    last = run.ledger.last_unanswered_by_others(run.run_id, clock() - _LANDING)
    if last is None:
        return
    _tell(f"A run ended while calls were on their way; waiting {_LANDING.seconds} s for them to land.")
    while not given_up():
        left_s = (last + _LANDING - clock()).total_seconds()
        if left_s <= 0:
            break
        await asyncio.sleep(min(left_s, _LOOK_S))


def _tell(sentence: str) -> None:
    log.info(sentence)
    progress.current().message(sentence)

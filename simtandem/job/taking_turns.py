"""Runs of one home send to one carrier one after the other; who comes later sends what is left of its plan.

Two runs that send at once would each send what the other has just done: a PATCH to a status already held.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import polars as pl
from filelock import FileLock, Timeout

from schemas.statuses import Action, Half, Outcome
from simtandem import watching
from simtandem.carriers.base import Carrier, StepResult
from simtandem.errors import LedgerError
from simtandem.job.run import Run
from simtandem.settings import Settings
from simtandem.settling import settle

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_LANDING = timedelta(seconds=15)
"""What a killed run sent so long ago has come to the carrier, or never will."""


@asynccontextmanager
async def one_at_a_time(settings: Settings, given_up: Callable[[], bool]) -> AsyncIterator[bool]:
    """In this block no other run of this home sends to this carrier. False where the waiting was given up instead.

    The lock is a file's: it is let go of when its process ends, however that ends.
    """
    name = settings.carrier_host.replace(":", "_")
    lock, told = FileLock(settings.home / f"sending-{name}.lock", thread_local=False), False
    while not given_up() and not _taken(lock):
        if not told:
            told = True
            _tell(f"Another run is changing devices at {settings.carrier_host}; waiting for its end.")
        await asyncio.sleep(_LOOK_S)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        raise LedgerError(
            f"The lock file {lock.lock_file} can't be used ({error}). Nothing was sent.\n"
            "Check the disk and the permissions of SIMTANDEM_HOME, then run again."
        ) from error
    return True


async def done_by_others(run: Run, carrier: Carrier, given_up: Callable[[], bool]) -> dict[Half, list[StepResult]]:
    """Steps that need not or must not be sent any more; empty where no other run sent changes since the listing.

    Call it when it is this run's turn. Raises `CarrierError` and `Interrupted` where the devices can't be read.
    """
    since = datetime.fromisoformat(run.folder.data("listing.json")["begun"])
    if not run.ledger.changed_by_others(run.run_id, since):
        return {}
    await _let_land(run, given_up)
    _tell("Another run has changed devices since this one was planned; reading them again.")
    plan = run.folder.table("plan.parquet").filter(pl.col("action") == Action.CHANGE)
    fresh = await carrier.read(plan.select("sim_id", "endpoint_id"))
    asked = plan.filter(pl.col("owners_after").is_not_null())["sim_id"].unique().to_list()
    owners = await carrier.read_owners(asked) if asked else None
    ended = settle(plan, fresh, owners, carrier.lifecycle)
    return {half: [_result(*row) for row in steps.iter_rows()] for half, steps in ended.items()}


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


def _result(row: int, outcome: str, error: str) -> StepResult:
    return StepResult(row, Outcome(outcome), 0, error=error)


def _tell(sentence: str) -> None:
    log.info(sentence)
    watching.current().notes(sentence)

"""A run that pauses: its calls in flight have ended, other runs may send, and it continues with a fresh look."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from simtandem import progress
from simtandem.errors import CarrierUnavailable, LedgerError
from simtandem.ledger import pausing
from simtandem.ledger.records import RunState
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from simtandem.runs.run import Run
from simtandem.text.formats import of

log = logging.getLogger(__name__)

Wait = Callable[[float], Awaitable[bool]]
"""Waits so many seconds; true, and at once, where the run is to stop."""

_LOOK_S = 1.0
"""So often the record is looked at, however many calls are sent meanwhile."""


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Wait so long, or until it is set; whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


class Pausable(Protocol):
    """What sends for a run, and can rest for a while."""

    @property
    def stop(self) -> object | None:
        """Who or what ended the sending before everything was sent; None where nobody did."""
        ...

    def pause(self) -> None:
        """Send nothing more for now: what is on its way is finished and recorded, and the rest stays open."""
        ...


def asked(run: Run) -> bool:
    """Whether someone has asked this run to pause, and nobody to continue since."""
    return pausing.wanted_pause(run.ledger.states(run.run_id)) is not None


@asynccontextmanager
async def heeded(run: Run, sending: Pausable, pauses: Callable[[], None]) -> AsyncIterator[None]:
    """In this block a pause that someone asks for lets what is on its way end; nothing else is sent.

    `pauses` is called when it begins. A ledger that is away is waited for.
    """

    async def watch() -> None:
        while True:
            if await _is_asked(run):
                break
            await asyncio.sleep(_LOOK_S)
        if sending.stop is None:
            progress.current().message("Pausing: what is on its way is answered, nothing else is sent.")
            sending.pause()
            pauses()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _is_asked(run: Run) -> bool:
    try:
        return await asyncio.to_thread(asked, run)
    except LedgerError as error:
        log.info("Whether the run is asked to pause could not be read: %s", error)
        return False


async def complete_pairs(applying: Applying) -> None:
    """Send the second halves of pairs that a pause has split; called where nothing else of the run is on its way.

    In a pause those of SIMs that would be charged and off, after it those of batches that have first halves left.
    """
    if applying.stop is not None:
        return
    if not applying.paused:
        await complete(applying, BatchWork.overtaken)
        return
    applying.go_on()
    try:
        await complete(applying, BatchWork.charged_and_off)
    finally:
        applying.pause()


async def complete(applying: Applying, rows_of: Callable[[BatchWork], set[int]]) -> None:
    """Of batches that were put aside, send the second halves of these rows now. What stays open is sent later."""
    for work in applying.turns.aside():
        work.only = rows_of(work)
        try:
            if work.only:
                await applying.apply(work, work.second)
        except CarrierUnavailable as error:
            log.warning("%s", error)
        finally:
            work.only = None


async def stay(
    run: Run,
    wait: Wait,
    *,
    wave: int | None = None,
    left: tuple[int, int] | None = None,
    what: str = "device",
    stopped: bool = False,
) -> str:
    """Record that the run is paused, and return when someone lets it continue, or the run is to stop; who did.

    `wave`: nobody asked for the pause; it is until the wave after this one is approved. `left`: how many devices, or
    `what` else, are still to be sent, and of how many of them one half is changed already.
    """
    request = pausing.wanted_pause(run.ledger.states(run.run_id))
    if stopped or (request is None and wave is None):
        return ""
    by = str(request.detail.get("by", "")) if request else ""
    detail: dict[str, object] = {"by": by} if wave is None else {"wave": wave, "why": "approval"}
    detail |= {} if left is None else {"left": left[0], "split": left[1]}
    run.ledger.record_state(run.run_id, RunState.PAUSED, detail)
    why = (
        f"Paused by {by}{'' if left is None else _told(*left, what)}"
        if wave is None
        else f"Wave {wave} is done, and the next one waits for approval"
    )
    progress.current().message(f"{why}. To continue: simtandem resume {run.run_id}")
    with progress.current().waits("paused" if wave is None else "waiting for approval of the next wave"):
        while asked(run):
            if await wait(_LOOK_S):
                return ""
    who, _ = pausing.resumed_by(run.ledger.states(run.run_id))
    run.ledger.record_state(run.run_id, RunState.APPLYING, {"resumed_by": who})
    progress.current().message(f"{who} lets the run continue.")
    return who


def _told(left: int, split: int, what: str) -> str:
    halves = f"; of {of(split, what)} among them one half is changed, and these go first" if split else ""
    return f": {of(left, what)} not sent yet{halves}"

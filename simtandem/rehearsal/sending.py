"""What the flow `bulk-update` does with the waves and the batches of a run, as plain calls."""

import asyncio

from schemas.statuses import Half
from simtandem.carriers.protocol import Carrier
from simtandem.domain.waves import Wave
from simtandem.errors import CarrierUnavailable
from simtandem.runs import wave_review
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BATCHES_UNDER_WAY, RETRY_AFTER_S, BatchWork
from simtandem.runs.run import Run


async def send_all(run: Run, carrier: Carrier, applying: Applying) -> None:
    """Wave by wave, each as far as the look at the one before lets it begin. Nobody is asked, no events are watched.

    An outage is tried again after a pause, a few times.
    """
    for wave in applying.turns.waves:
        began = run.ledger.clock()
        await _send_wave(applying, wave)
        if wave.last or applying.stop is not None:
            continue
        result = await wave_review.review(run, carrier, wave, began, _wait)
        if not result.passed:
            applying.stop_after_wave(str(result))


async def _wait(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return False


async def _send_wave(applying: Applying, wave: Wave) -> None:
    """A few batches at a time, in order."""
    window = asyncio.Semaphore(BATCHES_UNDER_WAY)
    async with applying.turn(wave), asyncio.TaskGroup() as under_way:
        while applying.turns.left(wave):
            await window.acquire()
            pair = under_way.create_task(_send_pair(applying, applying.turns.next_batch(wave)))
            pair.add_done_callback(lambda _: window.release())


async def _send_pair(applying: Applying, work: BatchWork) -> None:
    """First halves, then the second halves that may follow."""
    for half in (work.first, work.second):
        await _send_half(applying, work, half)
    await applying.finish(work)


async def _send_half(applying: Applying, work: BatchWork, half: Half) -> None:
    for pause in (0.0, *RETRY_AFTER_S):
        await asyncio.sleep(pause)
        try:
            await applying.apply(work, half)
        except CarrierUnavailable:
            continue
        return

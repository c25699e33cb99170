"""How far a run is, in Prefect's UI: a progress artifact, and a line in the run's log now and then."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from simtandem import progress
from simtandem.progress import ProgressHooks
from simtandem.text.escaping import prose
from tasks.best_effort import attempt

log = logging.getLogger("simtandem.progress")

_LOOK_S = 1.0
_SHOWN_EVERY_S = 10.0
_SILENT_AT_MOST_S = 30.0


class RunProgress:
    """The line of a run's meter, shown as it changes. `clock` is monotonic, in seconds."""

    def __init__(self, hooks: ProgressHooks, clock: Callable[[], float] = time.monotonic) -> None:
        self._hooks = hooks
        self._clock = clock
        self._artifact: UUID | None = None
        self._shown = ""
        self._shown_at = self._logged_at = clock()
        self._mark = hooks.meter.mark

    async def begin(self, batches: int) -> None:
        """Show the artifact, at nothing done, of a run that sends so many batches."""
        if not batches:
            return
        self._shown, self._shown_at = self._told(), self._clock()
        self._artifact = await attempt(acreate_progress_artifact(self._share(), description=self._shown))

    async def update(self) -> None:
        """Show what there is now."""
        told = self._told()
        if self._artifact is not None and told != self._shown:
            self._shown, self._shown_at = told, self._clock()
            await attempt(aupdate_progress_artifact(self._artifact, self._share(), told))

    async def end(self) -> None:
        """Show what it came to."""
        if self._artifact is not None:
            told = prose(f"Progress: {self._hooks.meter.summary()}")
            await attempt(aupdate_progress_artifact(self._artifact, self._share(), told))

    async def tick(self) -> None:
        """Show and log how far the run is, where that is due."""
        meter, now = self._hooks.meter, self._clock()
        if now - self._shown_at >= _SHOWN_EVERY_S and meter.under_way:
            await self.update()
        due_s = _SILENT_AT_MOST_S if meter.mark == self._mark else _SHOWN_EVERY_S
        if now - self._logged_at >= due_s and meter.under_way and not self._hooks.attended:
            self._logged_at, self._mark = now, meter.mark
            log.info("%s", meter.line())

    def _told(self) -> str:
        return prose(f"Progress: {self._hooks.meter.line()}")

    def _share(self) -> float:
        """Of the devices, in per cent."""
        meter = self._hooks.meter
        return 100.0 * meter.done / meter.devices if meter.devices else 0.0


@asynccontextmanager
async def progress_shown() -> AsyncIterator[RunProgress]:
    """In this block the progress of the run is shown. A terminal that shows it as well is left to do so."""
    shown = RunProgress(progress.own())
    ticking = asyncio.create_task(_tick_on(shown))
    try:
        yield shown
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
    await shown.end()


async def _tick_on(shown: RunProgress) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        await shown.tick()

"""Tasks around an inbox: take what is new, begin what is due, record how it ended, put files away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from schemas.parameters import Wish
from schemas.statuses import Target
from simtandem.inbox.due import Began, DueWork, due_work
from simtandem.inbox.foreseeing import warnings
from simtandem.inbox.taking import Inbox, open_inbox
from simtandem.ledger.schedule_records import ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tasks.artifacts import show_arrivals
from tasks.settings import settings_of_run


class Desk:
    """What the tasks of one look at an inbox share. Prefect stores nothing of it."""

    def __init__(self, inbox: Inbox, schedules: Schedules, stack: ExitStack, settings: Settings) -> None:
        self.inbox = inbox
        self.schedules = schedules
        self._stack = stack
        self._settings = settings
        self._work: DueWork | None = None
        self._asked = False
        self.told: list[str] = []
        self.open_ends = False
        self.stopped = False

    def begin(self) -> Began | None:
        """The next run of what is due. The first time, make sure that nobody else is at it."""
        if not self._asked:
            self._asked = True
            self._work = self._stack.enter_context(due_work(self.schedules, self._settings))
            if self._work is None:
                self.told.append("another run carries out what is due")
        return self._work.begin() if self._work is not None and not self.stopped else None

    def end(self, began: Began) -> None:
        """Record how a run ended."""
        if self._work is None:
            return
        state, clean = self._work.end(began), self._work.clean(began)
        self.stopped = state is ScheduleState.STOPPED
        self.open_ends |= not clean
        self.told.append(f"{began.file}: {state}".replace("_", " ") + ("" if clean else f" (run {began.run_id})"))


@asynccontextmanager
async def open_desk(inbox: str | None) -> AsyncIterator[Desk]:
    """A desk for the inbox at that URL, or for the one of the settings."""
    settings = await settings_of_run()
    ledger = Ledger.open(settings.ledger())
    try:
        with ExitStack() as stack:
            schedules = Schedules(ledger)
            yield Desk(open_inbox(settings, schedules, inbox), schedules, stack, settings)
    finally:
        ledger.close()


@task(name="take new files", cache_policy=NO_CACHE)
async def take_new_files(desk: Desk, to: Wish) -> int:
    """Take files that lie still in the inbox, validate them, and schedule what they ask for."""
    target = None if to is Wish.AS_IN_FILE else Target(to.value)
    taken = await asyncio.to_thread(desk.inbox.take_new, target)
    rows = []
    for arrival in taken:
        notes = [arrival.reason] if arrival.reason else warnings(desk.schedules, arrival.arrival_id)
        rows.append(
            {"file": arrival.file.name, "rows": arrival.rows, "rejected": arrival.rejected, "note": " ".join(notes)}
        )
        desk.open_ends |= bool(notes or arrival.rejected)
    if taken:
        desk.told.insert(0, f"{len(taken)} files taken")
        await show_arrivals(rows)
    return len(taken)


@task(name="begin what is due", cache_policy=NO_CACHE)
async def begin_what_is_due(desk: Desk) -> Began | None:
    """Prepare the run of what of a file is due; nothing where nothing is."""
    return await asyncio.to_thread(desk.begin)


@task(name="record the end", cache_policy=NO_CACHE)
async def record_the_end(desk: Desk, began: Began) -> None:
    """Keep in the ledger what became of it."""
    await asyncio.to_thread(desk.end, began)


@task(name="put files away", cache_policy=NO_CACHE)
async def put_files_away(desk: Desk) -> None:
    """Move the files of which everything has ended, their result files beside them."""
    await asyncio.to_thread(desk.inbox.go_on)


def desk_state(desk: Desk) -> State[Any]:
    """How the flow run ends: failed where somebody has to look at something."""
    if not desk.told:
        return Completed(name="Nothing due", message="Nothing new, nothing due.")  # by its name: nobody is told of it
    message = "; ".join(desk.told)
    return Failed(message=message) if desk.open_ends else Completed(message=message)

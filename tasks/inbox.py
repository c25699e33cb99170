"""Tasks around an inbox: take what is new, begin what is due, record how it ended, put files away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from schemas.accounts import DEFAULT, URGENT
from schemas.parameters import Wish
from schemas.statuses import Target
from simtandem.errors import AuthenticationFailed, InputError, SimtandemError
from simtandem.inbox.due_rows import device_lookup, warnings
from simtandem.inbox.due_runs import Began, DueRuns, due_runs
from simtandem.inbox.due_selections import selection_lookup
from simtandem.inbox.pickup import LANES, Inbox, open_inbox, without_account
from simtandem.inbox.pickup_summary import NOTHING_DUE, STATE_NAMES, Concern, LookSummary, nothing_due
from simtandem.ledger.schedule_records import Arrival, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.runs.handover import handing_on
from simtandem.runs.run import newest_head
from simtandem.settings import Settings, account_names, chosen_account
from simtandem.text import escaping
from tasks.artifacts import show_arrivals
from tasks.ledger_wait import once_it_answers
from tasks.run_settings import settings_of_run


class Desk:
    """What the tasks of one look at an inbox share. Prefect stores nothing of it."""

    def __init__(self, inbox: Inbox, schedules: Schedules, stack: ExitStack, settings: Settings) -> None:
        self.inbox = inbox
        self.schedules = schedules
        self.summary = LookSummary()
        self.record = ""
        self._stack = stack
        self._settings = settings
        self._work: DueRuns | None = None
        self._asked = False
        self._over = False
        self._told = 0
        self._no_entry: SimtandemError | None = None

    def take(self, to: Target | None) -> list[Arrival]:
        """Take new files. A failure of that is noted, and does not stop what is due."""
        try:
            return self.inbox.take_new(to)
        except SimtandemError as error:
            self.summary.note(str(error), Concern.TRY_AGAIN)
            return []
        finally:
            self.summary.not_taken({**self.inbox.not_taken, **self._of_nobody()})

    def _of_nobody(self) -> dict[str, str]:
        """Files in the inbox itself where no account is served from there. The first account reports them."""
        accounts = account_names()
        if self.schedules.urgent or DEFAULT in accounts or self._settings.account != accounts[0]:
            return {}
        return without_account(self._settings)

    def begin(self) -> Began | None:
        """The next run of what is due. The first time, make sure that nobody else is at it."""
        if not self._asked:
            self._asked = True
            lookup = device_lookup(self._settings, self.schedules.ledger)
            select = selection_lookup(self._settings, self.schedules.ledger)
            self._work = self._stack.enter_context(
                due_runs(self.schedules, self._settings, lookup=lookup, select=select)
            )
            if self._work is None:
                self.summary.note("another run carries out what is due")
        if self._work is None or self._over:
            return None
        try:
            return self._work.begin()
        except SimtandemError as error:
            self._stop(self._work, error)
            return None
        finally:
            for found in self._work.left_out[self._told :]:
                self.summary.left_out(found)
            self._told = len(self._work.left_out)

    async def hear(self, began: Began, state: State[Any]) -> None:
        """How Prefect says a run of what is due ended: what keeps it from the carrier keeps all others, too.

        Where the run selects, its input may be what is wrong, and that is its own.
        """
        error = await state.aresult(raise_on_failure=False) if state.is_failed() else None
        own = isinstance(error, InputError) and began.request.where
        if isinstance(error, AuthenticationFailed | InputError) and not own:
            self._no_entry = error

    def end(self, began: Began) -> None:
        """Record how a run ended."""
        work = self._work
        if work is None:
            return
        state = work.end(began)
        if self._no_entry is not None and state is ScheduleState.FAILED:
            self._stop(work, self._no_entry)
            return
        self._over = state is ScheduleState.STOPPED
        self.summary.ended(began.file, state, work.document(began), work.detail(began))

    def put_away(self) -> None:
        """Bring files to where they belong by now."""
        try:
            self.inbox.go_on()
        except SimtandemError as error:
            self.summary.note(str(error), Concern.TRY_AGAIN)
        self.summary.could_not_move(self.inbox.troubles)

    def _stop(self, work: DueRuns, error: SimtandemError) -> None:
        """Nothing more can be carried out in this look."""
        self._over = True
        if isinstance(error, AuthenticationFailed):
            self.summary.token_refused(str(error), work.waiting())
        else:
            self.summary.out_of_reach(str(error), work.waiting())


@asynccontextmanager
async def open_desk(account: str, *, urgent: bool) -> AsyncIterator[Desk]:
    """A desk for the urgent files of an account's inbox, or for the others: no parameter leads elsewhere."""
    settings = await settings_of_run(account)
    with await once_it_answers(lambda: Ledger.open(settings.ledger(), heads_file=settings.heads_file)) as ledger:
        with ExitStack() as stack:
            schedules = Schedules(ledger, settings.account, urgent=urgent)
            desk = Desk(open_inbox(settings, schedules), schedules, stack, settings)
            yield desk
        desk.record = newest_head(ledger)


@task(name="take new files", cache_policy=NO_CACHE)
async def take_new_files(desk: Desk, to: Wish) -> int:
    """Take files that no longer change in the inbox, validate them, and schedule what they ask for."""
    target = None if to is Wish.AS_IN_FILE else Target(to.value)
    taken = await asyncio.to_thread(desk.take, target)
    rows = []
    if taken:
        desk.summary.note(f"{len(taken)} files taken" if len(taken) > 1 else "1 file taken")
    for arrival in taken:
        notes = [arrival.reason] if arrival.reason else warnings(desk.schedules, arrival.arrival_id)
        told = {"file": arrival.file.name, "rows": arrival.rows, "invalid": arrival.rejected, "note": " ".join(notes)}
        rows.append(told)
        desk.summary.took(arrival, desk.schedules.rejected(arrival.arrival_id))
        for note in notes if not arrival.reason else ():
            desk.summary.note(f"{arrival.file.name}: {note}", Concern.LEFT_OUT)
    if taken:
        await show_arrivals(rows)
    return len(taken)


@task(name="begin what is due", cache_policy=NO_CACHE)
async def begin_what_is_due(desk: Desk) -> Began | None:
    """Decide what is carried out by now, and prepare its next run; nothing where nothing is due."""
    return await asyncio.to_thread(desk.begin)


def handed(began: Began) -> AbstractContextManager[None]:
    """In this block the next bulk update carries out that run."""
    return handing_on(began.run)


@task(name="record the end", cache_policy=NO_CACHE)
async def record_the_end(desk: Desk, began: Began) -> None:
    """Keep in the ledger what became of it."""
    await asyncio.to_thread(desk.end, began)


@task(name="put files away", cache_policy=NO_CACHE)
async def put_files_away(desk: Desk) -> None:
    """Move the files of which everything has ended, their result files beside them."""
    await asyncio.to_thread(desk.put_away)


class Looks:
    """The looks of one flow run: for each account, urgent files first; none of which keeps the others from theirs."""

    def __init__(self, account: str, *, urgent: bool) -> None:
        self.lanes = LANES[urgent]
        named = account or chosen_account()
        self.accounts = [named] if named else account_names()
        self._ends: list[tuple[str, State[Any]]] = []

    @contextmanager
    def of(self, account: str) -> Iterator[list[Desk]]:
        """In this block the account's desk is used, and put into the list that is given; what ends it is kept.

        A flow run that serves one account alone ends with what ends its look.
        """
        desks: list[Desk] = []
        try:
            yield desks
        except SimtandemError as error:
            if len(self.accounts) == 1:
                raise
            self._ends.append(
                (account, Failed(name=STATE_NAMES[Concern.TRY_AGAIN], message=escaping.state(str(error))))
            )
        else:
            told = [desk for desk in desks if desk is desks[-1] or desk.summary.sentences or desk.summary.aside]
            self._ends += [(_served(account, desk), desk_state(desk)) for desk in told]

    def state(self) -> State[Any]:
        """How the flow run ends: as its only look, else as the first of those that someone has to look at."""
        if len(self._ends) == 1:
            return self._ends[0][1]
        told = " ".join(f"{account}: {state.message}" for account, state in self._ends)
        somewhere = [state for _, state in self._ends if state.name != NOTHING_DUE]
        first = next((state for state in somewhere if state.is_failed()), (somewhere or [self._ends[0][1]])[0])
        return first.model_copy(update={"message": escaping.state(told)})


def _served(account: str, desk: Desk) -> str:
    return f"{account}/{URGENT}" if desk.schedules.urgent else account


def desk_state(desk: Desk) -> State[Any]:
    """How the flow run ends: completed, or failed under the name of what someone has to look at."""
    summary = desk.summary
    message = f"{summary} {desk.record}".rstrip()
    if not summary.sentences:
        return Completed(name=NOTHING_DUE, message=escaping.state(nothing_due(summary.aside)))
    if summary.concern is Concern.NOTHING:
        return Completed(message=escaping.state(message))
    return Failed(name=STATE_NAMES[summary.concern], message=escaping.state(message))

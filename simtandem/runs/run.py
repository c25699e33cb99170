"""A run: what is asked, where its files are, and where it is recorded."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from schemas.accounts import DEFAULT, AccountKey
from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import StoppedBy
from simtandem import progress
from simtandem.carriers.calls_left import bounding_window, calls_left
from simtandem.carriers.protocol import Carrier
from simtandem.carriers.registry import lifecycle_for, open_carrier
from simtandem.carriers.sharing import Shared
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.waves import Pacing
from simtandem.errors import InputError, Interrupted, LedgerError, PlanRefused, SimtandemError
from simtandem.host import clock
from simtandem.host.processes import process_mark
from simtandem.host.user_name import user_name
from simtandem.ledger.call_slots import LedgerSlots
from simtandem.ledger.claims import endpoint_turn
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.leases import Lease
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs.handover import PreparedRun
from simtandem.runs.pacing import pacing_of
from simtandem.runs.run_folder import IntakeRecord, RunFolder
from simtandem.runs.shared_files import catch_up
from simtandem.settings import Settings
from simtandem.text import json_logs

log = logging.getLogger(__name__)


class AskedOn(StrEnum):
    """Where a run was asked for: the operator's shell may name any file, a form or an API call only allowed ones."""

    TERMINAL = "terminal"
    FORM = "form"


def require_account(record: RunRecord, account: AccountKey) -> None:
    """Raise `InputError` where a run was of another account, or at another host: its ids mean other devices here."""
    if record.account != account.name:
        raise InputError(
            f"Run {record.run_id} was of account {record.account}, and the account named here is {account.name}. "
            f"Nothing was sent. Use --account {record.account}, or none: the run's own is taken then."
        )
    if record.account_key != account:
        where = "the carrier's address" if account.name == DEFAULT else f"url in [accounts.{account.name}]"
        raise InputError(
            f"Run {record.run_id} was at {record.carrier_host}, and the settings name {account.host}. "
            f"Nothing was sent. Set {where} to the carrier of that run."
        )


def kind_of(request: BulkUpdate) -> RunKind:
    """What a run with these parameters is for."""
    if request.mode is Mode.PLAN:
        return RunKind.PLAN
    if request.undo_of:
        return RunKind.UNDO
    return RunKind.RETRY if request.retry_of else RunKind.APPLY


@dataclass(slots=True)
class Run:
    """One run. `kind` says what it may do; only `apply` and its like send changes.

    `continued` is the flow run that it is a part of, as it was found; `taken_over`: another process began it, and died.
    """

    run_id: str
    kind: RunKind
    request: BulkUpdate
    settings: Settings
    ledger: Ledger
    folder: RunFolder
    started: datetime
    asked_on: AskedOn = AskedOn.FORM
    approval: Mapping[str, str] | None = None
    origin: Mapping[str, str] | None = None
    continued: Continued | None = None
    taken_over: bool = False
    lease: Lease = field(init=False)

    def __post_init__(self) -> None:
        account, urgent = self.settings.account_key.file_name, self.request.urgent
        self.lease = Lease(self.ledger.database, account, self.run_id, urgent=urgent)

    @classmethod
    def begin(
        cls,
        request: BulkUpdate,
        kind: RunKind,
        settings: Settings,
        prepared: PreparedRun | None = None,
        *,
        asked_on: AskedOn = AskedOn.FORM,
    ) -> "Run":
        """Open the ledger and name the run: a new one, or the prepared one. Raises `InputError` where that is no more.

        Only what holds the prepared run can name it (see `prepared`): no parameter does.
        """
        started = clock.now()
        run_id = prepared.run_id if prepared else new_run_id(started)
        folder = RunFolder(settings.runs_folder / run_id)
        with ExitStack() as until_begun:
            ledger = until_begun.enter_context(Ledger.open(settings.ledger(), heads_file=settings.heads_file))
            if prepared is not None:
                replace(prepared, kind=kind, request=request).require_as_recorded(ledger, folder)
            until_begun.pop_all()
        json_logs.bind(run_id=run_id, account=settings.account)
        catch_up(settings, ledger)
        return cls(run_id, kind, request, settings, ledger, folder, started, asked_on)

    @property
    def lifecycle(self) -> Lifecycle:
        """The rules of the run's carrier."""
        return lifecycle_for(self.settings)

    @property
    def pacing(self) -> Pacing:
        """The waves of the run. Raises `InputError` where they can't be read."""
        return pacing_of(self.request, self.settings)

    def record(self, intake: IntakeRecord) -> RunRecord:
        """What the ledger keeps of this run from its start."""
        return RunRecord(
            run_id=self.run_id,
            kind=self.kind,
            carrier=self.settings.carrier,
            carrier_host=self.settings.carrier_host,
            account=self.settings.account,
            file=intake["file"],
            sha256=intake["sha256"],
            rows=intake["rows"],
            rejected=intake["invalid"],
            parameters=self.request.model_dump(mode="json"),
            os_user=user_name(),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self.started,
            process=process_mark(os.getpid()),
        )

    @asynccontextmanager
    async def carrier(self) -> AsyncIterator[tuple[Carrier, CallWriter]]:
        """The carrier, and the writer that records what is sent to it."""
        async with recorded_carrier(self.settings, self.ledger, self.run_id, self.lease) as (carrier, journal):
            yield carrier, journal

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Record what ends the run in this block, if it can be recorded at all, and raise it on."""
        with head_in_errors(self.ledger, self.run_id), self._ending():
            yield

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except PlanRefused:  # recorded where it was refused
            raise
        except (asyncio.CancelledError, Interrupted) as stop:
            self.stopped(StoppedBy.OPERATOR, str(stop))
            raise
        except SimtandemError as error:
            self._last_state(RunState.FAILED, str(error), error.exit_code)
            raise

    def stopped(self, by: StoppedBy, why: str = "") -> None:
        """Someone stopped the run before it came to its report, which otherwise says so."""
        if not self.folder.has("document.json"):
            self._last_state(RunState.INTERRUPTED, why, Interrupted.exit_code, by)

    def record_head(self) -> str:
        """The newest head of the ledger's that is about this run, as messages show it; empty where there is none."""
        return newest_head(self.ledger, self.run_id)

    def decline(self) -> None:
        """The operator looked at the plan and said no."""
        self._last_state(RunState.REFUSED, "not confirmed on the terminal", Interrupted.exit_code)

    def _last_state(self, state: RunState, error: str, exit_code: int, by: StoppedBy | None = None) -> None:
        detail = {"error": error, "exit_code": exit_code, **({"stopped_by": str(by)} if by else {})}
        if self.folder.has("intake.json"):
            try:
                self.ledger.record_state(self.run_id, state, detail, sealed=True)
            except LedgerError as second:
                log.warning("The run's end could not be recorded: %s", second)

    def close(self) -> None:
        """Release the ledger."""
        self.ledger.close()


@asynccontextmanager
async def recorded_carrier(
    settings: Settings, ledger: Ledger, run_id: str, lease: Lease | None = None
) -> AsyncIterator[tuple[Carrier, CallWriter]]:
    """The carrier, every call to it recorded as that run's, and the writer that does so. Changes need a lease."""
    async with CallWriter(ledger, run_id) as journal:
        slots = slots_of_hosts(settings, ledger, run_id, lease)
        turn = partial(endpoint_turn, ledger.database, lease) if lease else None
        urgent = lease is not None and lease.urgent
        shared = Shared(slots, place_of_slots(ledger) if slots else "", urgent, endpoint_turn=turn)
        carrier = open_carrier(settings, journal, shared)
        left = partial(slots.calls_left, bounding_window(settings)) if slots else partial(calls_left, settings)
        progress.current().meter.uses(left, carrier.waiting_s)
        try:
            yield carrier, journal
        finally:
            await carrier.aclose()
            if lease is not None:
                await asyncio.shield(asyncio.to_thread(lease.end))


def slots_of_hosts(settings: Settings, ledger: Ledger, run_id: str, lease: Lease | None) -> LedgerSlots | None:
    """The slots of the rate limit that all hosts of this ledger share; None where it is one host's."""
    database = ledger.database
    if not database.is_postgres:
        return None
    return LedgerSlots(database, settings.slots_pool, run_id, at_most_s=database.outage_s, lease=lease)


def place_of_slots(ledger: Ledger) -> str:
    """Where they are, the same for all homes that share them: hosts may reach a ledger by several addresses."""
    name = ledger.name()
    return f"ledger {name}" if name else ledger.database.place


def newest_head(ledger: Ledger, run_id: str = "") -> str:
    """The newest of the ledger's heads, of that run where one is named, as messages show it; empty without one.

    A run that never began has none: the head of another run in its message would be taken for its own.
    """
    try:
        entry = ledger.entry(run_id)
    except LedgerError:
        return ""
    return entry.spoken if entry and (not run_id or entry.id == run_id) else ""


@contextmanager
def head_in_errors(ledger: Ledger, run_id: str = "") -> Iterator[None]:
    """An error that ends this block has the newest head as `newest_head` finds it then: messages show it."""
    try:
        yield
    except SimtandemError as error:
        error.record = newest_head(ledger, run_id)
        raise


def new_run_id(started: datetime) -> str:
    """A name that sorts by time and that no other run has."""
    return f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def looking_run(
    run_id: str, kind: RunKind, settings: Settings, started: datetime, parameters: Mapping[str, object]
) -> RunRecord:
    """What the ledger keeps, from its start, of a run that reads no file and changes nothing."""
    return RunRecord(
        run_id=run_id,
        kind=kind,
        carrier=settings.carrier,
        carrier_host=settings.carrier_host,
        account=settings.account,
        file="",
        sha256="",
        rows=0,
        rejected=0,
        parameters=parameters,
        os_user=user_name(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_at=started,
        process=process_mark(os.getpid()),
    )

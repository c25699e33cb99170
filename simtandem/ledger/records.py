"""What goes into the ledger and comes out of it, other than tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import Half, Outcome


class RunKind(StrEnum):
    """What a run is for."""

    PLAN = "plan"
    APPLY = "apply"
    RECONCILE = "reconcile"
    RETRY = "retry"
    UNDO = "undo"
    ACTION = "action"
    AUDIT = "audit"
    EVENTS = "events"


SENDING = (RunKind.APPLY, RunKind.RETRY, RunKind.UNDO)
"""The runs that change statuses and owners."""

CHANGING = (*SENDING, RunKind.ACTION)
"""The runs that change anything at the carrier."""

LOOKING = (RunKind.PLAN, RunKind.RECONCILE, RunKind.AUDIT, RunKind.EVENTS)
"""The runs that change nothing at the carrier, and wait for no person."""

REPORTED = (*SENDING, RunKind.RECONCILE)
"""The runs that say of each device what became of it."""


class RunState(StrEnum):
    """How far a run is. `PAUSING` and `RESUMING` are what someone asks of it."""

    PLANNED = "planned"
    WAITING = "waiting"
    APPROVED = "approved"
    CONTINUED = "continued"
    REFUSED = "refused"
    APPLYING = "applying"
    WAVE_DONE = "wave_done"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    TAKEN_OVER = "taken_over"
    RECONCILING = "reconciling"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


PAUSES = (RunState.PAUSING, RunState.PAUSED)
"""The states of a run that someone has asked to pause."""

FINAL = {
    RunState.WAITING,
    RunState.CONTINUED,
    RunState.REFUSED,
    RunState.FINISHED,
    RunState.INTERRUPTED,
    RunState.FAILED,
}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is known of a run when it starts. `file` and `sha256` are empty where it reads no file.

    `parameters` is kept as JSON and must hold no secret. `process` distinguishes the process from a later one with its
    id.
    """

    run_id: str
    kind: RunKind
    carrier: str
    carrier_host: str
    file: str
    sha256: str
    rows: int
    rejected: int
    parameters: Mapping[str, object]
    os_user: str
    host: str
    pid: int
    started_at: datetime
    process: str | None = None
    account: str = DEFAULT

    @property
    def account_key(self) -> AccountKey:
        """Whose devices the run was about."""
        return AccountKey(self.account, self.carrier_host)


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A run reached `state` at `at`; `detail` is what was known then."""

    state: RunState
    at: datetime
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run and its state. `state` is None, and `detail` empty, before its first state is recorded."""

    record: RunRecord
    state: RunState | None
    at: datetime | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest hash of a run's chain, and how many facts it covers."""

    hash: str
    facts: int


@dataclass(frozen=True, slots=True)
class PruningRecord:
    """A run's details were taken out of the ledger: when, by whom, how many facts, and into which archive."""

    at: datetime
    os_user: str
    archive: str
    archive_sha256: str
    facts: int


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """How a planned step ended, so far: the newest record of a row's half is the one that counts.

    `turn` is the count of the claim under which it was sent (`claims`): None where nothing was.
    """

    row: int
    half: Half
    outcome: Outcome
    attempts: int
    http_status: int | None = None
    error: str = ""
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class ActionEnd:
    """How a planned SIM action ended, so far: the newest record of a row is the one that counts."""

    row: int
    outcome: Outcome
    attempts: int
    http_status: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many calls a run made.

    `retried` are second and later attempts, `throttled` were answered 429, `unanswered` had no usable answer or none at
    all.
    """

    total: int
    retried: int
    throttled: int
    unanswered: int


ProcessProbe = Callable[[str, int, str | None], bool]
"""Host, process id and mark: whether that process may be running. See `processes`."""


def state_to_show(
    record: RunRecord, recorded: RunState | None, may_run: ProcessProbe, *, at_work: bool | None = None
) -> RunState | None:
    """The recorded state, or `interrupted` where the run had more to do and its process is gone.

    A run that only plans is done when it is planned. `at_work`: whether a process may be at work on it, where the
    ledger knows more than which one began it (`run_processes`).
    """
    if is_done(record, recorded):
        return recorded
    going = may_run(record.host, record.pid, record.process) if at_work is None else at_work
    return recorded if going else RunState.INTERRUPTED


def has_ended(run: RunSummary) -> bool:
    """Nothing more is coming of this run. One that waits to be approved may continue yet."""
    return run.state is not RunState.WAITING and is_done(run.record, run.state)


def is_done(record: RunRecord, state: RunState | None) -> bool:
    """Whether a run in that state has nothing more to do, unless someone lets it continue."""
    return state in FINAL or (state is RunState.PLANNED and record.kind is RunKind.PLAN)

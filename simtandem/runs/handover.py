"""Handing a run that was read already to the flow that carries it out: in this process, and in no other way.

A flow's parameters come from anyone who may fill in a form. So which run continues is none of them: the process that
began the run hands it over in the context of the call, once, together with the request and the file that it was read
for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.parameters import BulkUpdate
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from simtandem.runs.run import Run

_BEFORE_SENDING = (RunState.PLANNED,)


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run of which the list was read: what it is for, what was asked, and the hash of what was read."""

    run_id: str
    kind: RunKind
    request: BulkUpdate
    sha256: str

    @classmethod
    def of(cls, run: "Run") -> "PreparedRun":
        """The run as it is, its list read."""
        return cls(run.run_id, run.kind, run.request, run.folder.read_intake()["sha256"])

    def require_as_recorded(self, ledger: Ledger, folder: RunFolder) -> None:
        """Raise `InputError` unless ledger and folder have this very run, and it has neither sent anything nor ended.

        A run that was recorded as something else, a plan for instance, is never gone on with as what sends.
        """
        record = ledger.run(self.run_id).record
        recorded = (record.run_id, record.kind, record.sha256, record.parameters)
        mine = (self.run_id, self.kind, self.sha256, self.request.model_dump(mode="json"))
        begun = [each.state for each in ledger.states(self.run_id) if each.state not in _BEFORE_SENDING]
        if recorded != mine or begun or not folder.has("intake.json") or folder.read_intake()["sha256"] != self.sha256:
            raise InputError(
                f"Run {self.run_id} is recorded as a {record.kind} of another file or request, or it has begun already."
                " Nothing was sent. Run the command again."
            )


@dataclass(slots=True)
class _Handed:
    run: PreparedRun
    taken: bool = False


_HANDED: ContextVar[_Handed | None] = ContextVar("handed", default=None)


@contextmanager
def handing_on(run: PreparedRun) -> Iterator[None]:
    """In this block, and in tasks begun in it, the first bulk update continues with this run."""
    before = _HANDED.set(_Handed(run))
    try:
        yield
    finally:
        _HANDED.reset(before)


def handed_over(request: BulkUpdate) -> PreparedRun | None:
    """The run that continues with this request; None where a new one is to begin.

    Raises `InputError` where the one that was handed over is for another request.
    """
    handed = _HANDED.get()
    if handed is None or handed.taken:
        return None
    handed.taken = True
    if handed.run.request != request:
        raise InputError(f"Run {handed.run.run_id} was prepared for another request. Nothing was sent.")
    return handed.run

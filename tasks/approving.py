"""Waiting for somebody's approval without holding a process.

The flow run is suspended under a key that names the plan's digest. When it is resumed, perhaps by another worker days
later, it reads, lists and plans anew: the same digest finds the answer that was given, another one is asked again, and
what moved meanwhile is shown.
"""

import json
from enum import StrEnum
from pathlib import Path

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from pydantic import Field

from simtandem.errors import PlanRefused
from simtandem.job import preparing
from simtandem.job.closing import finish
from simtandem.job.run import RunFolder
from simtandem.ledger.records import RunState
from simtandem.reconciling import moved_between
from tasks.artifacts import show_approval
from tasks.session import Session


class Decision(StrEnum):
    """What may be said to a plan."""

    APPROVE = "approve"
    REJECT = "reject"


class Approval(RunInput):
    """The form that a waiting run shows when it is resumed."""

    decision: Decision = Field(title="Decision", json_schema_extra={"position": 0})
    who: str = Field(min_length=2, max_length=100, title="Who decides", json_schema_extra={"position": 1})
    why: str = Field(default="", max_length=500, title="Why", json_schema_extra={"position": 2})


async def obtain_approval(session: Session) -> None:
    """Let the plan pass, suspend the run until somebody decides, or raise `PlanRefused` where they said no.

    Only a deployment's run can wait: started from a terminal, the safety gate refuses instead.
    """
    run, request = session.run, session.run.request
    excess = await _excess(session)
    if not deployment.id or not (excess or request.ask_first):
        return
    digest = run.folder.data("plan.json")["digest"]
    note = _WaitingNote(session)
    moved = note.moved()
    run.ledger.record_state(run.run_id, RunState.WAITING, {"digest": digest, "why": excess or "asked for"})
    note.leave()
    await show_approval(session, excess, moved)
    answer = await suspend_flow_run(  # type: ignore[misc]
        wait_for_input=Approval.with_initial_data(
            description=f"**Plan `{digest}`** of run `{run.run_id}`. {excess or 'Approval was asked for.'}\n\n"
            "The plan's counts and its refused rows are among this run's artifacts."
        ),
        timeout=request.approval_hours * 3600,
        key=f"approve-{digest}",
    )
    note.settle()
    decided = {"who": answer.who, "why": answer.why, "digest": digest}
    if answer.decision is Decision.REJECT:
        refusal = (
            f"The plan {digest} was rejected by {answer.who}: {answer.why or 'no reason given'}. Nothing was sent."
        )
        finish(run, RunState.REFUSED, why=refusal)
        raise PlanRefused(refusal)
    run.ledger.record_state(run.run_id, RunState.APPROVED, decided)
    run.approval = decided
    run.request = request.model_copy(update={"accept_large": True, "plan_digest": digest})


async def _excess(session: Session) -> str:
    """What the safety gate has against the plan; nothing where it passes. A digest that differs is refused for good."""
    try:
        await preparing.ask_gate(session.run, session.carrier)
    except PlanRefused as refusal:
        return str(refusal).splitlines()[0]
    return ""


class _WaitingNote:
    """Which run of this flow run waited last, so that the next one can say what moved since."""

    def __init__(self, session: Session) -> None:
        self._run = session.run
        self._file: Path = session.run.settings.home / "waiting" / f"{flow_run.id}.json"
        self._waited: str = json.loads(self._file.read_text())["run_id"] if self._file.exists() else ""

    def moved(self) -> list[dict[str, object]]:
        """Rows whose plan differs from the one that was shown last."""
        before = RunFolder(self._run.settings.runs_folder / self._waited)
        if not self._waited or not before.has("plan.parquet"):
            return []
        return moved_between(before.table("plan.parquet"), self._run.folder.table("plan.parquet")).to_dicts()

    def leave(self) -> None:
        """This run waits now."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"run_id": self._run.run_id}))

    def settle(self) -> None:
        """It waits no more: this run goes on where that one stood."""
        if self._waited:
            self._run.ledger.record_state(self._waited, RunState.CONTINUED, {"as": self._run.run_id})
        self._file.unlink(missing_ok=True)

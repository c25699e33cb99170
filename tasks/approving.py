"""Waiting for somebody's approval without holding a process.

The flow run is suspended under a key that names the plan's digest. When it is resumed, perhaps by another worker days
later, it reads, lists and plans anew: the same digest finds the answer that was given, another one is asked again, and
what moved meanwhile is shown.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from prefect.context import FlowRunContext
from prefect.input import RunInput
from pydantic import Field

from simtandem.errors import PlanRefused
from simtandem.job import preparing
from simtandem.job.closing import finish
from simtandem.job.run import RunFolder
from simtandem.job.telling import waiting
from simtandem.ledger.records import RunState
from simtandem.reconciling import moved_between
from tasks.artifacts import show_approval
from tasks.session import Session
from tasks.suspending import ask, last_asked


class Decision(StrEnum):
    """What may be said to a plan."""

    APPROVE = "approve"
    REJECT = "reject"


class Approval(RunInput):
    """The form that a waiting run shows when it is resumed."""

    decision: Decision = Field(
        title="Decision",
        description="approve: the run goes on and sends. reject: it ends, and nothing is sent.",
        json_schema_extra={"position": 0},
    )
    who: str = Field(
        min_length=2,
        max_length=100,
        title="Who decides",
        description="Your name. It stands in the record and in the report.",
        json_schema_extra={"position": 1},
    )
    why: str = Field(default="", max_length=500, title="Why", json_schema_extra={"position": 2})


async def obtain_approval(session: Session) -> None:
    """Let the plan pass, suspend the run until somebody decides, or raise `PlanRefused` where they said no.

    Only a deployment's own run can wait: elsewhere the safety gate refuses instead. Nor does an approval stand for
    `change_owners`, nor for a plan digest that the run is pinned to: there the gate refuses at once, and for good. A no
    counts whatever has moved since; a yes counts for the very plan it was said to.
    """
    flow_run = _waiting_is_possible()
    if flow_run is None or _needs_the_flag(session):
        return
    asked = await last_asked(Approval, flow_run)
    answer = asked.answer if asked else None
    if answer and answer.decision is Decision.REJECT:
        _refuse(session, answer)
    _hold_to_the_pin(session)
    excess = await _excess(session)
    if not (excess or session.run.request.ask_first):
        return
    digest = session.run.folder.data("plan.json")["digest"]
    if asked is None or answer is None or asked.subject != digest:
        await _wait(session, flow_run, asked.times + 1 if asked else 1, excess)
    else:
        _go_on(session, answer, digest)


def _needs_the_flag(session: Session) -> bool:
    plan = session.run.folder.data("plan.json")
    return bool(plan["owner_changes"]) and not session.run.request.change_owners


def _hold_to_the_pin(session: Session) -> None:
    """Raise `PlanRefused` where the run is pinned to another plan, whoever has been asked about it."""
    try:
        preparing.check_digest(session.run)
    except PlanRefused:
        _settle(session)
        raise


def _waiting_is_possible() -> UUID | None:
    context = FlowRunContext.get()
    here = context.flow_run if context else None
    return here.id if here and here.deployment_id and not here.parent_task_run_id else None


async def _wait(session: Session, flow_run: UUID, time: int, excess: str) -> NoReturn:
    run, plan, note = session.run, session.run.folder.data("plan.json"), _WaitingNote(session, flow_run)
    moved, why, digest = note.moved(), waiting(plan, excess), plan["digest"]
    run.ledger.record_state(run.run_id, RunState.WAITING, {"digest": digest, "why": excess or "asked for"})
    note.leave()
    await show_approval(session, excess, moved)
    form = Approval.with_initial_data(
        description=f"{why}\n\nRun `{run.run_id}`; the plan's counts and its refused rows are among its artifacts."
    )
    await ask(form, flow_run, time, digest, why, session.run.request.approval_hours * 3600)


def _go_on(session: Session, answer: Approval, digest: str) -> None:
    run = session.run
    _settle(session)
    run.approval = {"who": answer.who, "why": answer.why, "digest": digest}
    run.ledger.record_state(run.run_id, RunState.APPROVED, run.approval)
    run.request = run.request.model_copy(update={"accept_large": True, "plan_digest": digest})


def _refuse(session: Session, answer: Approval) -> NoReturn:
    digest = session.run.folder.data("plan.json")["digest"]
    _settle(session)
    refusal = f"The plan {digest} was rejected by {answer.who}: {answer.why or 'no reason given'}. Nothing was sent."
    finish(session.run, RunState.REFUSED, why=refusal)
    raise PlanRefused(refusal, "Not approved")


def _settle(session: Session) -> None:
    flow_run = _waiting_is_possible()
    if flow_run is not None:
        _WaitingNote(session, flow_run).settle()


async def _excess(session: Session) -> str:
    """What the safety gate has against the plan; nothing where it passes."""
    refusal = await preparing.foreseen_refusal(session.run, session.carrier)
    return refusal.partition("\n")[0]


class _WaitingNote:
    """Which run of this flow run waited last, so that the next one can say what moved since."""

    def __init__(self, session: Session, flow_run: UUID) -> None:
        self._run = session.run
        self._file: Path = session.run.settings.home / "waiting" / f"{flow_run}.json"
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

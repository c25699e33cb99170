"""Waiting for someone's approval without holding a process.

The flow run is suspended under a key that names the plan's digest. When it is resumed, perhaps by another worker days
later, it reads, lists and plans anew: the same digest finds the answer that was given, another one is asked again, and
what moved meanwhile is shown.

What Prefect says of question and answer can be written by anyone who may use its API. So an answer counts only where
the ledger knows that this flow run asked, under that key, about that plan, with the very request that it has now.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NoReturn
from uuid import UUID

from prefect.context import FlowRunContext
from prefect.input import RunInput
from pydantic import Field

from simtandem.errors import PlanRefused
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import prepare, waiting_run
from simtandem.runs.finish import finish
from simtandem.runs.four_eyes import Login, Person, SharedLogin, objection, person, require_somebody
from simtandem.runs.run import require_account
from simtandem.runs.summary import waiting
from simtandem.runs.waiting_run import request_hash
from simtandem.text.escaping import markdown, prose
from tasks.artifacts import show_approval
from tasks.session import Session
from tasks.suspension import Asked, ask, last_asked, new_key


class Decision(StrEnum):
    """What may be said to a plan."""

    APPROVE = "approve"
    REJECT = "reject"


class Approval(RunInput):
    """The form that a waiting run shows when it is resumed."""

    decision: Decision = Field(
        title="Decision",
        description="approve: the run continues and sends. reject: it ends, and nothing is sent.",
        json_schema_extra={"position": 0},
    )
    who: str = Field(
        min_length=2,
        max_length=100,
        title="Who decides",
        description="Your name. The record and the report show it.",
        json_schema_extra={"position": 1},
    )
    why: str = Field(default="", max_length=500, title="Why", json_schema_extra={"position": 2})
    change_owners: bool = Field(
        default=False,
        title="Change owners",
        description="Needed where the plan gives SIMs to other organisations: not everybody can undo that.",
        json_schema_extra={"position": 3},
    )


async def obtain_approval(session: Session, login: Login | None = None) -> None:
    """Let the plan pass, suspend the run until someone decides, or raise `PlanRefused` where they said no.

    Only a deployment's own run can wait: elsewhere the safety gate refuses instead. A run that is asked for without
    `change_owners` waits for nobody if its plan needs it, nor does one whose plan is not the one it is pinned to: there
    the gate refuses at once. A rejection counts even if devices have moved; an approval counts for the very plan it was
    said to. In a run that waits, the switches in the form have no effect: the approver gives both.
    """
    flow_run = _waiting_is_possible()
    if flow_run is None or _needs_the_flag(session):
        return
    case = await _Case.of(session, flow_run, login or SharedLogin())
    demanded = session.run.settings.four_eyes and prepare.changes_something(session.run)
    await _end_what_no_approval_helps(case, demanded=demanded)
    if demanded or session.run.request.ask_first:
        session.run.request = session.run.request.model_copy(update={"accept_large": False})
    excess = await _excess(session)
    if not (excess or demanded or session.run.request.ask_first):
        return
    objection = await _objection(case, demanded=demanded)
    if case.answer is None or case.subject != case.digest or objection:
        await _wait(case, " ".join(each for each in (objection, excess) if each))
    else:
        await _go_on(case, case.answer)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is to be decided, who asks for it, and what was answered so far, as far as the ledger knows of a question.

    `request` is the hash of the request as it came: anyone who changes it while the run waits has to be asked about it.
    """

    session: Session
    flow_run: UUID
    login: Login
    request: str
    asked_by: Person | None
    times: int = 0
    subject: str = ""
    key: str = ""
    answer: Approval | None = None

    @property
    def digest(self) -> str:
        """Of the plan that was made now."""
        return self.session.run.folder.plan_counts()["digest"]

    @classmethod
    async def of(cls, session: Session, flow_run: UUID, login: Login) -> "_Case":
        """The case of this flow run as it is."""
        run = session.run
        waiting_run.find(run, str(flow_run))
        request = request_hash(run.request)
        case = cls(session, flow_run, login, request, person(await login.asked(flow_run), run.request.requested_by))
        if case.asked_by is not None:
            run.origin = {**(run.origin or {}), **case.asked_by.as_record("requested_by")}
        asked = await last_asked(Approval, flow_run)
        if asked is None:
            return case
        known = _recorded(run.ledger, flow_run, request, asked)
        if known:
            require_account(run.ledger.run(asked.run_id).record, run.settings.account_key)
        subject, answer = (asked.subject, asked.answer) if known else ("", None)
        return replace(case, times=asked.times, subject=subject, key=asked.key, answer=answer)

    async def decided_by(self, answer: Approval) -> Person:
        """Who gave this answer."""
        return person(await self.login.answered(self.flow_run, self.key), answer.who) or Person(answer.who)


def _recorded(ledger: Ledger, flow_run: UUID, request: str, asked: Asked[Approval]) -> bool:
    mine = {"flow_run": str(flow_run), "key": asked.key, "digest": asked.subject, "request": request}
    waits = [state.detail for state in ledger.states(asked.run_id) if state.state is RunState.WAITING]
    return bool(asked.run_id) and any(mine.items() <= detail.items() for detail in waits)


async def _end_what_no_approval_helps(case: _Case, *, demanded: bool) -> None:
    """Raise `PlanRefused` where someone said no, where the plan is not the pinned one, and where nobody asks."""
    if case.answer and case.answer.decision is Decision.REJECT:
        await _refuse(case, case.answer)
    _hold_to_the_pin(case.session)
    if demanded:
        try:
            require_somebody(case.asked_by)
        except PlanRefused as refusal:
            finish(case.session.run, RunState.REFUSED, why=str(refusal))
            raise


async def _objection(case: _Case, *, demanded: bool) -> str:
    """Why an approval of this very plan does not let it pass; empty where it does, and where there is none."""
    answer = case.answer
    if answer is None or case.subject != case.digest:
        return ""
    decided_by = await case.decided_by(answer)
    owners = case.session.run.folder.plan_counts()["owner_changes"]
    if owners and not answer.change_owners:
        return f"{decided_by} approved without Change owners, and {owners:,} SIMs would get another owner."
    return objection(case.asked_by, decided_by) if demanded else ""


def _needs_the_flag(session: Session) -> bool:
    plan = session.run.folder.plan_counts()
    return bool(plan["owner_changes"]) and not session.run.request.change_owners


def _hold_to_the_pin(session: Session) -> None:
    """Raise `PlanRefused` where the run is pinned to another plan, no matter who has been asked about it."""
    try:
        prepare.check_digest(session.run)
    except PlanRefused:
        _settle(session)
        raise


def _waiting_is_possible() -> UUID | None:
    context = FlowRunContext.get()
    here = context.flow_run if context else None
    return here.id if here and here.deployment_id and not here.parent_task_run_id else None


async def _wait(case: _Case, why: str) -> NoReturn:
    session, run = case.session, case.session.run
    plan, moved = run.folder.plan_counts(), waiting_run.moved(run)
    key, told = new_key(case.times + 1, case.digest, run.run_id), waiting(plan, why, run.lifecycle)
    asked = {"flow_run": str(case.flow_run), "key": key, "digest": case.digest, "request": case.request}
    by = case.asked_by.as_record("requested_by") if case.asked_by else {}
    _take(session)
    run.ledger.record_state(run.run_id, RunState.WAITING, {**asked, **by, "why": why or "asked for"})
    await show_approval(session, why, moved)
    form = Approval.with_initial_data(
        description=markdown(
            "{}\n\nRun {}; the plan's counts and its refused rows are among its artifacts.", prose(told), run.run_id
        )
    )
    await ask(form, case.flow_run, key, f"{told} {run.record_head()}".strip(), run.request.approval_hours * 3600)


async def _go_on(case: _Case, answer: Approval) -> None:
    run, decided_by = case.session.run, await case.decided_by(answer)
    _settle(case.session)
    run.approval = {"who": decided_by.name, "why": answer.why, "digest": case.digest, "identity": decided_by.identity}
    by = case.asked_by.as_record("requested_by") if case.asked_by else {}
    run.ledger.record_state(run.run_id, RunState.APPROVED, {**run.approval, **by})
    run.request = run.request.model_copy(update={"accept_large": True, "plan_digest": case.digest})


async def _refuse(case: _Case, answer: Approval) -> NoReturn:
    decided_by = await case.decided_by(answer)
    _settle(case.session)
    refusal = f"The plan {case.digest} was rejected by {decided_by.name}: {answer.why or 'no reason given'}."
    refusal += " Nothing was sent."
    finish(case.session.run, RunState.REFUSED, why=refusal)
    raise PlanRefused(refusal, "Not approved")


def _settle(session: Session) -> None:
    """What waited is this run now, where it is one that can wait."""
    if _waiting_is_possible() is not None:
        _take(session)


def _take(session: Session) -> None:
    """Only this process continues the flow run. Raises `PlanRefused` where another one does."""
    if waiting_run.take(session.run):
        return
    refusal = "Another process continues this run, on this host or another one. Nothing was sent here."
    finish(session.run, RunState.REFUSED, why=refusal)
    raise PlanRefused(refusal, "Not approved")


async def _excess(session: Session) -> str:
    """What the safety gate has against the plan; nothing where it passes."""
    refusal = await prepare.foreseen_refusal(session.run, session.carrier)
    return refusal.partition("\n")[0]

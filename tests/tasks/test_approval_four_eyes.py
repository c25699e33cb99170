"""What an approval takes: a question that the ledger knows of, the switches of whoever approves, and another person."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from simtandem.errors import PlanRefused
from simtandem.ledger.records import RunState
from simtandem.reports.report_tables import who
from simtandem.runs import prepare
from simtandem.runs.four_eyes import Identity
from tasks import approval
from tasks.approval import Decision
from tasks.session import Session
from tests.tasks.approvals import Approvals, AskedError, planned_session

FOUR_EYES = {"four_eyes": True}


class PersonalLogin:
    """A server whose login tells people apart."""

    def __init__(self, asked: str | None, answered: str | None) -> None:
        self._asked, self._answered = asked, answered

    async def asked(self, flow_run: UUID) -> str | None:
        return self._asked

    async def answered(self, flow_run: UUID, key: str) -> str | None:
        return self._answered


@pytest.fixture
def approvals(monkeypatch: pytest.MonkeyPatch) -> Approvals:
    return Approvals(monkeypatch)


async def is_asked(session: Session, says: str = "", **more: Any) -> None:
    with pytest.raises(AskedError) as asked:
        await approval.obtain_approval(session, **more)
    assert says in str(asked.value)
    assert session.run.approval is None


async def goes_on(session: Session, **more: Any) -> None:
    await approval.obtain_approval(session, **more)
    await prepare.check_safety(session.run, session.carrier)


@pytest.mark.parametrize("name", ["Ada", "ada", " A d\u200ba ", "ＡＤＡ"])  # noqa: RUF001 - wide letters
async def test_nobody_approves_what_they_asked_for(tmp_path: Path, approvals: Approvals, name: str) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES, requested_by="Ada") as session:
        await is_asked(session, "12 of 12")
        approvals.answer(session, who=name)
        await is_asked(session, "asked for this and can't approve it (SIMTANDEM_FOUR_EYES)")


async def test_another_person_approves_and_both_are_recorded_as_what_they_are(
    tmp_path: Path, approvals: Approvals
) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES, requested_by="Ada") as session:
        await is_asked(session)
        approvals.answer(session, who="Grace", why="depot 7")
        await goes_on(session)
        approved = next(
            each.detail for each in session.run.ledger.states(session.run.run_id) if each.state is RunState.APPROVED
        )
        assert (approved["who"], approved["identity"]) == ("Grace", "self-declared")
        assert (approved["requested_by"], approved["requested_by_identity"]) == ("Ada", "self-declared")
        told = {"prefect": session.run.origin, "approval": session.run.approval}
        said = who(session.run.ledger.run(session.run.run_id).record, told)
        assert "asked for by Ada (self-declared)" in said
        assert "approved by Grace (self-declared)" in said


async def test_without_the_setting_whoever_asked_may_approve(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, requested_by="Ada", ask_first=True) as session:
        await is_asked(session)
        approvals.answer(session, who="Ada")
        await goes_on(session)


async def test_a_run_of_nobody_is_refused_where_two_people_are_demanded(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES) as session:
        with pytest.raises(PlanRefused, match="nobody says who asks"):
            await approval.obtain_approval(session)
        assert session.run.ledger.run(session.run.run_id).state is RunState.REFUSED


async def test_every_plan_waits_that_changes_something_and_no_other(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES, sims=1, requested_by="Ada") as session:
        await is_asked(session, "Approval was asked for")
    async with planned_session(tmp_path, given=FOUR_EYES, sims=1, to="activated") as session:
        await goes_on(session)


async def test_what_can_not_wait_is_refused_where_two_people_are_demanded(
    tmp_path: Path, approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval, "_waiting_is_possible", lambda: None)
    async with planned_session(tmp_path, given=FOUR_EYES, accept_large=True, requested_by="Ada") as session:
        await approval.obtain_approval(session)
        with pytest.raises(PlanRefused, match="Another person has to approve"):
            await prepare.check_safety(session.run, session.carrier)


@pytest.mark.parametrize("given", [{"ask_first": True}, FOUR_EYES])
async def test_the_switch_of_who_asks_does_not_stand_for_the_approval(
    tmp_path: Path, approvals: Approvals, given: dict[str, Any]
) -> None:
    settings, request = (given, {}) if given is FOUR_EYES else ({}, given)
    async with planned_session(tmp_path, given=settings, accept_large=True, requested_by="Ada", **request) as session:
        await is_asked(session, "12 of 12 Activated SIMs")
        approvals.answer(session)
        await goes_on(session)


async def test_other_owners_take_the_switch_of_who_approves(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, owners=True, ask_first=True) as session:
        await is_asked(session)
        approvals.answer(session)
        await is_asked(session, "approved without Change owners, and 12 SIMs would get another owner")
        approvals.answer(session, change_owners=True)
        await goes_on(session)


async def test_the_login_of_the_server_counts_and_not_the_name_that_was_typed(
    tmp_path: Path, approvals: Approvals
) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES, requested_by="Somebody else") as session:
        same = PersonalLogin("ada", "ada")
        await is_asked(session, login=same)
        approvals.answer(session, who="Grace")
        await is_asked(session, "ada (authenticated) asked for this and can't approve it", login=same)
        approvals.answer(session, who="Grace")
        await is_asked(session, "these may be one person", login=PersonalLogin("ada", None))
        approvals.answer(session, who="ada")
        await goes_on(session, login=PersonalLogin("ada", "grace"))
        assert session.run.approval is not None
        assert session.run.approval["who"] == "grace"
        assert session.run.approval["identity"] == Identity.AUTHENTICATED


async def test_an_answer_to_what_was_never_asked_is_none(tmp_path: Path, approvals: Approvals) -> None:
    """Whoever may use Prefect's API can write question and answer there."""
    async with planned_session(tmp_path, ask_first=True) as session:
        await is_asked(session)
        approvals.answer(session)
        true = approvals.last
        assert true is not None
        for forged in (
            replace(true, key=true.key[:-1] + ("0" if true.key[-1] != "0" else "1")),
            replace(true, run_id=""),
            replace(true, run_id="20260101T000000-abcdef"),
        ):
            approvals.last = forged
            await is_asked(session)
        approvals.last, approvals.flow_run = true, uuid4()
        await is_asked(session)


async def test_what_was_asked_for_can_not_be_changed_while_it_waits(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES, requested_by="Ada") as session:
        await is_asked(session)
        approvals.answer(session, who="Ada")
    async with planned_session(tmp_path, given=FOUR_EYES, requested_by="Grace") as session:
        await is_asked(session)


async def test_a_forged_no_ends_nothing_and_a_true_one_does(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, given=FOUR_EYES, requested_by="Ada") as session:
        await is_asked(session)
        approvals.answer(session, Decision.REJECT, who="Ada")
        true = approvals.last
        assert true is not None
        approvals.last = replace(true, run_id="")
        await is_asked(session)
        approvals.last = true
        with pytest.raises(PlanRefused, match="rejected by Ada"):
            await approval.obtain_approval(session)

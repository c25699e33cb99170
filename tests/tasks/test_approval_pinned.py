"""A run that is pinned to a plan carries out that plan or none, whatever somebody approves."""

from pathlib import Path

import pytest

from simtandem.errors import PlanRefused
from simtandem.ledger.records import RunState
from simtandem.runs import prepare
from tasks import approval
from tests.tasks.approvals import Approvals, AskedError, planned_session

OTHER = "bbbb333344445555"


@pytest.fixture
def approvals(monkeypatch: pytest.MonkeyPatch) -> Approvals:
    return Approvals(monkeypatch)


@pytest.mark.parametrize("ask_first", [True, False])
async def test_another_plan_than_the_pinned_one_is_refused_and_nobody_is_asked(
    tmp_path: Path, approvals: Approvals, ask_first: bool
) -> None:
    async with planned_session(tmp_path, plan_digest=OTHER, ask_first=ask_first) as planned:
        digest = planned.run.folder.data("plan.json")["digest"]
        with pytest.raises(PlanRefused, match=f"the plan made now is {digest}, not the approved {OTHER}"):
            await approval.obtain_approval(planned)
        run = planned.run
        assert run.ledger.run(run.run_id).state is RunState.REFUSED
        assert run.folder.data("document.json")["exit_code"] == 3


async def test_an_approval_does_not_override_the_pinned_plan(tmp_path: Path, approvals: Approvals) -> None:
    async with planned_session(tmp_path, ask_first=True) as planned:
        with pytest.raises(AskedError):
            await approval.obtain_approval(planned)
        approvals.answer(planned)
        planned.run.request = planned.run.request.model_copy(update={"plan_digest": OTHER})
        with pytest.raises(PlanRefused, match=f"not the approved {OTHER}"):
            await approval.obtain_approval(planned)
        assert planned.run.request.plan_digest == OTHER


async def test_the_pinned_plan_itself_is_asked_about_and_goes_on_once_approved(
    tmp_path: Path, approvals: Approvals
) -> None:
    async with planned_session(tmp_path) as planned:
        digest = planned.run.folder.data("plan.json")["digest"]
    async with planned_session(tmp_path, plan_digest=digest) as planned:
        with pytest.raises(AskedError):
            await approval.obtain_approval(planned)
        approvals.answer(planned)
        await approval.obtain_approval(planned)
        await prepare.check_safety(planned.run, planned.carrier)

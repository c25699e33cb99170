"""Other owners: the run itself has to say so, and where somebody approves, they have to say so as well."""

from pathlib import Path

import pytest

from simtandem.errors import PlanRefused
from simtandem.runs import prepare
from tasks import approval
from tests.tasks.approvals import Approvals, AskedError, planned_session


@pytest.fixture(autouse=True)
def approvals(monkeypatch: pytest.MonkeyPatch) -> Approvals:
    """A run that could wait, and nobody asked yet."""
    return Approvals(monkeypatch)


@pytest.mark.parametrize("ask_first", [True, False])
async def test_without_the_flag_nobody_is_asked_and_the_gate_refuses_at_once(tmp_path: Path, ask_first: bool) -> None:
    async with planned_session(tmp_path, owners=True, change_owners=False, ask_first=ask_first) as planned:
        await approval.obtain_approval(planned)
        with pytest.raises(PlanRefused, match="--accept-large --change-owners"):
            await prepare.check_safety(planned.run, planned.carrier)


async def test_with_the_flag_somebody_is_asked_about_the_size(tmp_path: Path) -> None:
    async with planned_session(tmp_path, owners=True) as planned:
        with pytest.raises(AskedError):
            await approval.obtain_approval(planned)


async def test_with_the_flag_and_the_size_accepted_nobody_needs_to_be_asked(tmp_path: Path) -> None:
    async with planned_session(tmp_path, owners=True, accept_large=True) as planned:
        await approval.obtain_approval(planned)
        await prepare.check_safety(planned.run, planned.carrier)

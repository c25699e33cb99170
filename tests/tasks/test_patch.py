from typing import Any

import pytest
from prefect.states import Completed, Failed

from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, LedgerError
from simtandem.runs.batch import RETRY_AFTER_S
from tasks.patch import is_outage, patch_endpoints, patch_sims


@pytest.mark.parametrize(
    ("data", "again"),
    [
        (CarrierUnavailable("away"), True),
        (CarrierRefused("no"), False),
        (AuthenticationFailed("no"), False),
        (LedgerError("full"), False),
        (KeyError("a mistake of ours"), False),
    ],
)
def test_only_an_outage_is_tried_again(data: BaseException, again: bool) -> None:
    task: Any = patch_sims
    run: Any = None
    assert is_outage(task, run, Failed(data=data)) is again
    assert not is_outage(task, run, Completed())


@pytest.mark.parametrize("task", [patch_sims, patch_endpoints])
def test_both_halves_are_tried_again_a_few_times_later_and_later(task: Any) -> None:
    assert task.retries == len(RETRY_AFTER_S) == 3
    assert task.retry_condition_fn is is_outage
    assert sorted(RETRY_AFTER_S) == list(RETRY_AFTER_S)
    assert not task.retry_delay_seconds, "Prefect's own delay can't be cut short"

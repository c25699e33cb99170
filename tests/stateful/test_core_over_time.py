"""The core over time, in short; `make soak` goes on for as long as you like."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.core_over_time import CoreOverTime, empty_ledger

pytestmark = pytest.mark.timeout(900)


def test_runs_that_follow_each_other_keep_every_promise(tmp_path: Path) -> None:
    class Machine(CoreOverTime):
        template = empty_ledger(tmp_path)

    few = settings(
        max_examples=4,
        stateful_step_count=10,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # what is found is made short by `make soak`, which has the time
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=few)

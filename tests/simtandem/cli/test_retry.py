import os
from pathlib import Path

import pytest

from schemas.parameters import Mode
from simtandem.cli import retry
from simtandem.errors import InputError
from simtandem.runs import under_way
from tests.simtandem.cli.past_runs import Past
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.runs.acting_carrier import Refused


def wanted(file: Path) -> list[tuple[str, str]]:
    """Which SIMs a device CSV asks to change, and to what."""
    return read_devices(file).devices.select("sim_id", "desired").rows()


def test_what_a_run_left_open_is_what_is_not_in_sync(past: Past) -> None:
    past.carrier.acts = {"2": [Refused()]}
    run_id = past.run("1,activated\n2,activated\n99,suspended\nx,activated\n")
    record, file = retry.open_rows(run_id[:-1])
    assert (record.run_id, record.account) == (run_id, "default")
    assert wanted(file) == [("2", "activated")], "what is refused would be refused again"


def test_all_rows_of_a_killed_run_are_open_each_once(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = past.run("1,activated\n2,activated\n1,activated\n", killed=True)
    with pytest.raises(InputError, match=rf"Run {run_id} is under way \(process {os.getpid()} on .*Stop it, or wait"):
        retry.open_rows(run_id)  # this very process began it, and lives
    monkeypatch.setattr(under_way, "process_may_run", lambda *_: False)
    assert wanted(retry.open_rows(run_id)[1]) == [("1", "activated"), ("2", "activated")]


def test_a_run_that_left_nothing_open_is_not_tried_again(past: Past) -> None:
    with pytest.raises(InputError, match="left nothing open"):
        retry.open_rows(past.run("1,activated\n"))


def test_a_plan_is_not_tried_again(past: Past) -> None:
    with pytest.raises(InputError, match="only planned"):
        retry.open_rows(past.run("1,activated\n", mode=Mode.PLAN))

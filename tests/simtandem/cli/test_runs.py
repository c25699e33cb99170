import json
from typing import Any

import pytest

from schemas.parameters import Mode
from simtandem.cli import runs
from tests.simtandem.cli.past_runs import Past
from tests.simtandem.runs.acting_carrier import Refused


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_runs_are_told_newest_first_as_many_as_asked_for(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    past.carrier.acts = {"2": [Refused()]}
    ids = [past.run("1,activated\n2,activated\n"), past.run("3,activated\n", mode=Mode.PLAN), past.run("4,activated\n")]
    runs.show_runs(2, as_json=True)
    assert [run["run_id"] for run in shown(capsys)] == sorted(ids, key=ids.index, reverse=True)[:2]
    runs.show_runs(20, as_json=True)
    told = {run["run_id"]: run for run in shown(capsys)}[ids[0]]
    assert (told["kind"], told["state"], told["rows"], told["in_sync"], told["exit_code"]) == (
        "apply",
        "finished",
        2,
        1,
        1,
    )
    runs.show_runs(20, as_json=False)
    said = capsys.readouterr().out
    assert all(run_id in said for run_id in ids)


def test_a_run_whose_end_nobody_recorded_is_told_as_far_as_it_came(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    past.run("1,activated\n", killed=True)
    runs.show_runs(20, as_json=True)
    [run] = shown(capsys)
    assert (run["state"], run["in_sync"], run["exit_code"]) == ("applying", None, None), "its process is still here"


def test_a_file_may_be_named_like_markup(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    past.run("1,activated\n", name="fleet [old].csv")
    runs.show_runs(20, as_json=False)
    assert "fleet [old].csv" in capsys.readouterr().out

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.parameters import Mode
from simtandem.cli import runs
from simtandem.cli.runs import RunLine, Wanted, show_lines
from simtandem.errors import InputError
from tests.simtandem.cli.paper import paper
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


def test_runs_can_be_listed_by_state_day_and_file(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = past.run("1,activated\n", name="Depot-7.csv"), past.run("2,activated\n", killed=True, name="b.csv")

    def listed(limit: int = 20, **wanted: Any) -> list[str]:
        runs.show_runs(limit, Wanted(**wanted), as_json=True)
        return [run["run_id"] for run in shown(capsys)]

    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert listed(state="finished") == [first]
    assert listed(state="applying") == [second]
    assert listed(file="depot") == listed(file="*7.csv") == [first]
    assert listed(file="7") == [first]
    assert listed(file="?.csv") == [second]
    assert listed(since=tomorrow) == []
    assert set(listed(since=tomorrow - timedelta(days=1))) == {first, second}
    assert len(listed(1, file="csv")) == 1
    runs.show_runs(20, Wanted(state="failed"), as_json=False)
    assert capsys.readouterr().out == "No run fits.\n"


@pytest.mark.parametrize(("state", "since", "message"), [("done", "", "--state done"), ("", "1.2.", r"--since 1\.2\.")])
def test_an_unknown_state_or_day_is_an_input_error(past: Past, state: str, since: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        runs.runs(state=state, since=since)


def test_a_plan_that_was_not_confirmed_is_declined_not_refused(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    past.run("1,activated\n", declined=True)
    runs.show_runs(20, as_json=True)
    assert [run["state"] for run in shown(capsys)] == ["declined"]


LINE: RunLine = {
    "run_id": "20260301T091502-a1b2c3",
    "started": "2026-03-01 09:15:02",
    "account": "default",
    "kind": "reconcile",
    "state": "interrupted",
    "file": "a-file-with-a-long-name-of-thirty-signs.csv",
    "rows": 12000,
    "in_sync": 11999,
    "exit_code": 1,
    "ledger_head": None,
}


@pytest.mark.parametrize(
    ("width", "started", "whole_name"), [(150, True, True), (120, True, False), (80, False, False), (50, False, True)]
)
def test_runs_are_readable_on_any_terminal(width: int, started: bool, whole_name: bool) -> None:
    out, printed = paper(width=width)
    show_lines(out, [LINE, LINE])
    lines = printed.getvalue().splitlines()
    assert len(lines) == (4 if width == 50 else 3)
    text = printed.getvalue()
    for word in ("20260301T091502-a1b2c3", "reconcile", "interrupted", "11,999", "a-file"):
        assert text.count(word) == 2
    assert (LINE["started"] in text) is started
    assert whole_name <= (LINE["file"] in text)

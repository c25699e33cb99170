"""Taking a run back, comparing it with its undo, and reporting on both, as an operator does it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from tests.end_to_end.operator_desk import FIRST, Desk

pytestmark = pytest.mark.timeout(300)


def test_a_run_is_undone_compared_and_reported(sit_down: Callable[..., Desk]) -> None:
    desk = sit_down(Group(3, SimStatus.SUSPENDED, EndpointStatus.DISABLED), Group(1))
    applied = desk.run("apply", desk.file(4), "--to", "activated", "--yes", "--json").document()
    run = applied["run_id"]
    desk.emulator.change(lambda fleet: fleet.drift_sim(FIRST + 2, SimStatus.SUSPENDED))

    planned = desk.run("undo", run)
    assert planned.code == 1
    assert "nothing goes back there" in planned.out
    assert "moved since" in planned.out
    sent = desk.patches()

    plan = desk.run("undo", run, "--json").document()
    assert f"To apply this plan: simtandem undo {run} --yes --plan {plan['digest']}\n" in planned.out
    assert desk.patches() == sent
    undone = desk.run("undo", run[:-2], "--yes", "--plan", plan["digest"], "--json", "--quiet")
    told = undone.document()
    assert undone.code == told["exit_code"] == 1
    assert (told["verdicts"]["in_sync"], told["verdicts"]["refused"], told["plan"]["refused"]) == (2, 2, 2)
    assert desk.emulator.fleet.sims[FIRST].status is SimStatus.SUSPENDED
    assert desk.emulator.fleet.sims[FIRST + 3].status is SimStatus.ACTIVATED

    compared = desk.run("compare", run, told["run_id"], "--json")
    assert compared.code == 1
    assert compared.document()["counts"]["in_both"] == 4

    workbook = desk.run("report", run, "--format", "xlsx")
    assert workbook.code == 0
    assert Path(workbook.out.strip()).read_bytes().startswith(b"PK")
    period = desk.run("report", "--since", run[:4] + "-01-01", "--format", "json", "--json").document()
    runs = json.loads(Path(period["files"]["json"]).read_text())["runs"]
    assert [each["kind"] for each in runs] == ["apply", "plan", "plan", "undo"]
    assert runs[-1]["verdict_in_sync"] == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["undo", "nothing-like-that"], 2),
        (["report"], 2),
        (["report", "x", "--since", "2026-01-01"], 2),
        (["report", "x", "--format", "pdf"], 2),
        (["report", "--since", "yesterday"], 2),
    ],
)
def test_what_can_not_be_meant_is_an_input_error(look: Callable[..., Desk], arguments: list[str], code: int) -> None:
    assert look(Group(1)).run(*arguments).code == code


def test_sims_that_were_issued_can_be_suspended_by_an_undo(sit_down: Callable[..., Desk]) -> None:
    desk = sit_down(Group(1, SimStatus.SUSPENDED, EndpointStatus.DISABLED), Group(2))
    run = desk.run("apply", desk.file(3), "--to", "activated", "--yes", "--json").document()["run_id"]
    wrong = desk.run("undo", run, "--issued-to", "activated")
    assert (wrong.code, "Use suspended." in wrong.err) == (2, True)

    planned = desk.run("undo", run, "--issued-to", "suspended")
    assert planned.code == 0, planned.out
    _, _, command = planned.out.partition(
        f"To apply this plan: simtandem undo {run} --yes --issued-to suspended --plan "
    )
    done = desk.run(
        "undo", run, "--issued-to", "suspended", "--yes", "--plan", command.strip(), "--accept-large", "--json"
    )
    assert done.code == 0, done.err
    assert done.document()["verdicts"]["in_sync"] == 3
    assert desk.emulator.fleet.state_counts() == {"Suspended/Disabled": 3}
    again = desk.run("undo", run, "--issued-to", "suspended", "--json").document()
    assert again["plan"]["unchanged"] == 3

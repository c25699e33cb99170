"""Every command that is named as the next thing to do can be run as it stands, and does what it is said to do."""

import html
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.errors import CarrierUnavailable
from simtandem.runs import prepare
from simtandem.runs.run import AskedOn, Run, kind_of
from tests.end_to_end.operator_desk import FIRST, Desk
from tests.simtandem.runs import emulated

pytestmark = pytest.mark.timeout(300)
RESTING = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)
WISH = {FIRST: Target.ACTIVATED, FIRST + 1: Target.ACTIVATED}
ON, OFF = SimStatus.ACTIVATED, SimStatus.SUSPENDED


class Stage:
    """An operator's desk, and runs at it that were brought into some state, without Prefect."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.steps = emulated.Desk(desk.emulator, desk.home)

    def sims(self) -> set[SimStatus]:
        return {sim.status for sim in self.desk.emulator.fleet.sims.values()}

    def done(self) -> str:
        return str(self.steps.apply(WISH)["run_id"])

    def failing(self, **options: Any) -> str:
        self.desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
        run = self.steps.apply(WISH, **options)
        self.desk.emulator.inject()
        return str(run["run_id"])

    def listing(self, **options: Any) -> str:
        """A run that ended while listing."""
        file = self.desk.file([FIRST, FIRST + 1])
        request = BulkUpdate(**{"file": str(file), "to": "activated", "mode": Mode.APPLY, **options})
        run = Run.begin(request, kind_of(request), self.steps.settings, asked_on=AskedOn.TERMINAL)
        try:
            with pytest.raises(CarrierUnavailable), run.failing():  # noqa: PT012 - the error is what ends it
                prepare.read_devices(run)
                raise CarrierUnavailable("gone")
            return run.run_id
        finally:
            run.close()

    def moved(self) -> str:
        def somebody() -> None:
            self.desk.emulator.change(lambda fleet: fleet.drift_sim(FIRST, SimStatus.SUSPENDED))

        return str(self.steps.apply(WISH, meanwhile=somebody)["run_id"])

    def named(self, *command: str) -> str:
        """The command that simtandem names when it is asked so."""
        said = self.desk.run(*command)
        [found] = re.findall(r"(?:To continue|Run the same again|To carry it out): (simtandem .+)", said.out + said.err)
        return str(found)

    def advised(self, run_id: str, verb: str) -> str:
        """The command with this verb in the HTML report of a run."""
        self.desk.run("report", run_id)
        page = html.unescape((self.desk.home / "runs" / run_id / "report.html").read_text())
        return str(re.findall(rf"simtandem {verb} [^<\n\"]+", page)[0]).strip()


Name = Callable[[Stage], str]
STATES: dict[str, tuple[Name, set[int], set[SimStatus] | None]] = {
    "an apply that ended while listing": (lambda at: at.named("report", at.listing()), {0}, {ON}),
    "an undo that ended while listing": (lambda at: at.named("report", at.listing(undo_of=at.done())), {0}, {OFF}),
    "a retry that ended while listing": (lambda at: at.named("report", at.listing(retry_of=at.failing())), {0}, {ON}),
    "a run killed once planned": (
        lambda at: at.named("report", at.steps.apply(WISH, killed_once_planned=True)["run_id"]),
        {0},
        {ON},
    ),
    "a plan": (lambda at: at.named("report", at.steps.apply(WISH, mode=Mode.PLAN)["run_id"]), {0}, {ON}),
    "a plan of an undo": (
        lambda at: at.named("report", at.steps.undo(at.done(), mode=Mode.PLAN)["run_id"]),
        {0},
        {OFF},
    ),
    "a run with failures": (lambda at: at.advised(at.failing(), "retry"), {0}, {ON}),
    "a run that went well": (lambda at: at.advised(at.done(), "undo"), {0}, {ON}),
    "devices changed by others": (lambda at: at.advised(at.moved(), "reconcile"), {1}, {ON, OFF}),
}


@pytest.mark.parametrize("state", STATES)
def test_the_next_command_can_be_run_and_does_it(
    sit_down: Callable[..., Desk], state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage = Stage(sit_down(Group(2, *RESTING)))
    name, codes, sims = STATES[state]
    command = name(stage)
    verb, *arguments = shlex.split(command)[1:]
    asked = [] if "--yes" in arguments or verb in ("undo", "reconcile", "report") else ["--yes"]
    done = stage.desk.run(verb, *arguments, *asked)
    assert done.code in codes, f"{command}: {done.err}"
    assert sims is None or stage.sims() == sims, command

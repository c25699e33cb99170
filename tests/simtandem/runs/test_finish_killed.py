"""Reports of runs that were killed, at whatever step: they render what is known, and what they advise is true."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Rejected, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.protocol import Answer, Call
from simtandem.domain.plan import make_plan
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import OutcomeRecord, RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.reports.report_tables import Money, account
from simtandem.runs.finish import report_again
from simtandem.runs.run_folder import RunFolder
from tests.simtandem.model_fleet import wishes
from tests.simtandem.reports.test_report_tables import RECORD
from tests.simtandem.runs.sending import ENDPOINT, SIM, fleet_of

APPLIED = Outcome.APPLIED
ASKED = {"file": "depot 7.csv", "to": "activated", "change_owners": False}
COUNTS = {"devices": 4, "sim_changes": 4, "endpoint_changes": 4, "newly_billed": 4, "calls": 5, "eta_s": 1.0}


@pytest.fixture(scope="module")
def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


class Killed:
    """A run of four devices and an invalid row, whose process is gone."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.ledger = Ledger.open(f"sqlite:///{folder}/ledger.sqlite")
        self.folder = RunFolder(folder / "run")
        record = replace(RECORD, rows=5, rejected=1, parameters=ASKED, pid=pid, host=socket.gethostname())
        self.ledger.start_run(record)
        self.ledger.record_rejected(
            "run", pl.DataFrame([(6, "sim_id", "x", "no number")], schema=empty(Rejected).schema, orient="row")
        )

    def plan(self) -> None:
        asked = wishes(*((row, str(row - 1), None, None, Target.ACTIVATED) for row in range(2, 6)))
        fleet = fleet_of(4, SimStatus.ISSUED, EndpointStatus.DISABLED)
        plan = make_plan(asked, empty(Repeats), fleet.inventory(), EMNIFY)
        self.ledger.record_plan("run", plan)
        self.ledger.record_state("run", RunState.PLANNED, {"digest": "d1", "unchanged": 0, "refused": 0, **COUNTS})

    def ended(self, half: Half, *numbers: int, outcome: Outcome = APPLIED) -> None:
        self.ledger.record_outcomes("run", [OutcomeRecord(number + 1, half, outcome, 1, 204) for number in numbers])

    async def sent(self, path: str, body: str, status: int | None = None, purpose: str = "change") -> None:
        async with CallWriter(self.ledger, "run") as journal:
            call = await journal.intent(Call("PATCH", path, purpose, body=body))
            if status:
                await journal.answer(call, Answer(status, 0.1))

    async def sent_sim(self, number: int, status: int | None = None) -> None:
        await self.sent(f"/api/v1/sim/{number}", '{"status": {"id": 1}}', status)

    def report(self) -> tuple[dict[str, Any], str]:
        told = report_again(self.ledger, self.folder, self.ledger.run("run"))
        assert sum(told["verdicts"].values()) == told["input"]["rows"] == 5
        assert told["not_sent"]["half_done"] + told["not_sent"]["not_begun"] == told["verdicts"]["skipped"]
        exported = account(self.ledger, [self.ledger.run("run")], Money()).runs.row(0, named=True)
        assert {word: exported[f"verdict_{word}"] for word in told["verdicts"]} == told["verdicts"]
        assert exported["newly_charged"] == told["changed"]["newly_billed"]
        return dict(told), self.folder.file("report.html").read_text()


@pytest.fixture
def killed(tmp_path: Path, gone: int) -> Iterator[Killed]:
    made = Killed(tmp_path, gone)
    with closing(made.ledger):
        yield made


def headline(page: str) -> str:
    found = re.search(r'<h1 id="headline">([^<]+)</h1>', page)
    assert found
    return found[1]


def commands(page: str) -> list[str]:
    """What the page says to do next."""
    page = page[page.index('id="next"') :]
    return [each.replace("&#39;", "'") for each in re.findall(r"<pre><code>([^<]+)</code></pre>", page)]


def test_killed_before_it_had_a_plan(killed: Killed) -> None:
    told, page = killed.report()
    assert headline(page) == "Ended before it was done: 0 in sync, 4 not sent, 1 invalid"
    assert told["exit_code"] is None
    assert commands(page) == ["simtandem apply 'depot 7.csv' --to activated"]
    assert "no number" in page


def test_killed_before_anything_was_sent(killed: Killed) -> None:
    killed.plan()
    told, page = killed.report()
    assert headline(page) == "Ended before it was done: 0 in sync, 4 not sent, 1 invalid"
    assert commands(page) == ["simtandem retry run"] == [told["next"]]
    assert "Nothing was changed" in page


async def test_killed_in_the_middle_of_sending(killed: Killed) -> None:
    killed.plan()
    await killed.sent("/api/v2/endpoint/multi", '[{"id": 101, "status": {"id": 0}}]', 204)
    killed.ended(ENDPOINT, 1, 2, 3, 4)
    for number in (1, 2):
        await killed.sent_sim(number, 204)
    killed.ended(SIM, 1)
    await killed.sent_sim(3)
    told, page = killed.report()
    # SIM 1: recorded; SIM 2: answered, its end not recorded; SIM 3: no answer; SIM 4: never sent.
    assert headline(page) == "Ended before it was done: 2 in sync, 1 partly changed, 1 unknown, 1 invalid"
    assert (told["changed"]["newly_billed"], told["plan"]["newly_billed"]) == (2, 4)
    assert told["outcomes"] | {"applied": 6, "unknown": 1} == told["outcomes"]
    assert commands(page) == ["simtandem retry run"]
    assert "it was not looked at again" in page


def test_killed_while_it_reconciled(killed: Killed) -> None:
    killed.plan()
    killed.ended(ENDPOINT, 1, 2, 3, 4)
    killed.ended(SIM, 1, 2, 3, 4)
    killed.ledger.record_state("run", RunState.RECONCILING, {})
    _, page = killed.report()
    assert headline(page) == "Ended before it was done: 4 in sync, 1 invalid"
    assert "The carrier was not read after the last call" in page
    assert commands(page) == ["simtandem retry run"]


@pytest.mark.parametrize(("status", "outcome"), [(204, "held"), (None, "unknown"), (409, "applied")])
async def test_an_endpoint_that_was_to_be_put_back_when_the_run_was_killed(
    killed: Killed, status: int | None, outcome: str
) -> None:
    killed.plan()
    await killed.sent("/api/v1/endpoint/101", '{"status": {"id": 0}}', 204)
    killed.ended(ENDPOINT, 1)
    killed.ended(SIM, 1, outcome=Outcome.REFUSED)
    await killed.sent("/api/v1/endpoint/101", '{"status": {"id": 1}}', status, "put_back")
    told, _ = killed.report()
    assert told["outcomes"][outcome] == 1


def test_a_run_that_an_error_ended_tells_the_error(killed: Killed) -> None:
    killed.ledger.record_state("run", RunState.FAILED, {"error": "emnify can't be reached.", "exit_code": 4})
    told, page = killed.report()
    assert headline(page).startswith("Stopped by an error: 0 in sync, 4 not sent")
    assert "emnify can" in page
    assert told["exit_code"] == 4


def test_a_run_under_way_is_not_called_ended(tmp_path: Path) -> None:
    alive = Killed(tmp_path, 1)
    with closing(alive.ledger):
        alive.plan()
        told, page = alive.report()
    assert headline(page).startswith("Still running: 0 in sync, 4 not sent")
    assert commands(page) == ["simtandem report run"]
    assert "next" not in told


def test_a_plan_that_was_not_confirmed_is_no_failure(killed: Killed) -> None:
    killed.plan()
    killed.ledger.record_state("run", RunState.REFUSED, {"error": "not confirmed on the terminal", "exit_code": 130})
    told, page = killed.report()
    assert headline(page) == "Refused before anything was sent: 5 rows left as they were"
    assert commands(page) == ["simtandem apply 'depot 7.csv' --to activated"]
    assert told["refusal"] == "not confirmed on the terminal"


def test_an_undo_that_was_killed_before_its_plan_is_asked_for_again(tmp_path: Path, gone: int) -> None:
    undo = replace(RECORD, kind=RunKind.UNDO, rows=2, parameters={"undo_of": "r0"}, pid=gone, host=socket.gethostname())
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite")) as ledger:
        ledger.start_run(undo)
        told = report_again(ledger, RunFolder(tmp_path / "run"), ledger.run("run"))
    assert told["next"] == "simtandem undo r0 --yes"

"""What is shown of a run that another process continues, and of one whose host is gone, on both databases."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from simtandem.carriers.protocol import Call
from simtandem.host.processes import process_mark
from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.integrity.prune import prunable
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.leases import Lease
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger

MakeRun = Callable[..., RunRecord]

GONE = {"host": os.uname().nodename, "pid": 2**22 + 1, "process": None}
"""A process of this host that is not there."""
FLOW_RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"


def state(ledger: Ledger, run_id: str) -> RunState | None:
    return ledger.run(run_id).state


def sends(ledger: Ledger, record: RunRecord) -> None:
    ledger.start_run(record)
    ledger.record_state(record.run_id, RunState.APPLYING, {})


def change(ledger: Ledger, statement: str, seconds: int) -> None:
    with ledger.database.write() as connection:
        connection.execute(text(statement), {"s": seconds})


def test_a_run_that_another_process_of_its_host_continues_is_going(ledger: Ledger, a_run: MakeRun) -> None:
    sends(ledger, a_run("one", **GONE))
    assert state(ledger, "one") is RunState.INTERRUPTED
    taken = flow_runs.take(ledger.database, Continued(FLOW_RUN), "one")
    assert state(ledger, "one") is RunState.APPLYING
    with flow_runs.held(ledger.database, lambda: taken):
        pass
    assert state(ledger, "one") is RunState.INTERRUPTED, "that one has ended, too"


@pytest.mark.parametrize("gone_for_s", [10, 25])
def test_a_flow_runs_host_that_is_not_heard_of_any_more_is_gone(
    ledger: Ledger, a_run: MakeRun, gone_for_s: int
) -> None:
    sends(ledger, a_run("one", host="elsewhere", pid=7))
    flow_runs.take(ledger.database, Continued(FLOW_RUN), "one")
    change(ledger, "UPDATE flow_runs SET host = 'elsewhere', pid = 7, seen_at = seen_at - :s", gone_for_s)
    gone = ledger.database.is_postgres and gone_for_s > 20
    assert state(ledger, "one") is (RunState.INTERRUPTED if gone else RunState.APPLYING)
    later = ledger.clock() + timedelta(days=1)
    assert [each.run.record.run_id for each in prunable(ledger, later)] == (["one"] if gone else [])


CASES = [(5, None), (20, None), (5, "by itself"), (20, "by itself"), (20, "by another run")]


@pytest.mark.parametrize("new_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("gone_for_s", "ended"), CASES)
def test_a_run_without_a_flow_run_is_judged_by_its_newest_lease(
    ledger: Ledger, a_run: MakeRun, gone_for_s: int, ended: str | None
) -> None:
    sends(ledger, a_run("one", host="elsewhere", pid=7))
    lease = Lease(ledger.database, "host", "one")
    lease.begin()
    lease._stop()
    change(ledger, "UPDATE leases SET host = 'elsewhere', pid = 7, seen_at = seen_at - :s", gone_for_s)
    if ended:
        change(ledger, "UPDATE leases SET ended_at = seen_at + :s", 1 if ended == "by itself" else gone_for_s)
    gone = ended == "by another run" or (ended is None and gone_for_s > 15)
    assert state(ledger, "one") is (RunState.INTERRUPTED if gone else RunState.APPLYING)


@pytest.mark.parametrize("kind", [RunKind.PLAN, RunKind.AUDIT, RunKind.APPLY])
@pytest.mark.parametrize("days", [1, 3])
async def test_a_look_on_another_host_that_records_nothing_more_is_gone_after_days(
    ledger: Ledger, a_run: MakeRun, kind: RunKind, days: int
) -> None:
    now = datetime.now(UTC)
    ledger.start_run(a_run("one", kind=kind, started_at=now - timedelta(days=5)))
    assert state(ledger, "one") is (RunState.INTERRUPTED if _gone(ledger, kind) else None)
    ledger.clock = lambda: now - timedelta(days=days)
    async with CallWriter(ledger, "one") as journal:
        await journal.intent(Call("GET", "/sim", "list"))
    gone = days == 3 and _gone(ledger, kind)
    assert state(ledger, "one") is (RunState.INTERRUPTED if gone else None)


def _gone(ledger: Ledger, kind: RunKind) -> bool:
    return ledger.database.is_postgres and kind is not RunKind.APPLY


def test_what_is_known_of_another_run_changes_nothing(ledger: Ledger, a_run: MakeRun) -> None:
    sends(ledger, a_run("one", **GONE))
    here = {"host": os.uname().nodename, "pid": os.getpid(), "process": process_mark(os.getpid())}
    sends(ledger, a_run("two", **here))
    flow_runs.take(ledger.database, Continued(FLOW_RUN), "two")
    assert {each.record.run_id: each.state for each in ledger.runs()} == {
        "one": RunState.INTERRUPTED,
        "two": RunState.APPLYING,
    }

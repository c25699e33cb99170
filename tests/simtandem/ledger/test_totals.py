"""Counts over all runs: read a little at a time, and never less than before."""

import os
import socket
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from simtandem.carriers.protocol import Answer, Call
from simtandem.host.processes import process_mark
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.totals import Totals

DOCUMENT = {"verdicts": {"in_sync": 3, "failed": 1}, "calls": {"total": 9, "throttled": 2, "retried": 0}}


async def _calls(ledger: Ledger, run_id: str, *statuses: int) -> None:
    async with CallWriter(ledger, run_id) as journal:
        for status in statuses:
            ident = await journal.intent(Call("GET", "/api/v1/sim", "list"))
            await journal.answer(ident, Answer(status=status, seconds=0.1))


async def test_what_runs_came_to_is_counted_once_and_by_account(
    ledger: Ledger, a_run: Callable[..., RunRecord]
) -> None:
    totals = Totals()
    totals.read(ledger)
    assert (dict(totals.verdicts), totals.calls_made(), totals.audited) == ({}, {}, {})
    for run_id, account in (("20260131-a", "default"), ("20260131-b", "eu")):
        ledger.start_run(a_run(run_id, account=account))
        ledger.record_state(run_id, RunState.APPLYING, {"batches": 1})
        ledger.record_state(run_id, RunState.FINISHED, {"document": DOCUMENT})
    ledger.start_run(a_run("20260131-c", kind=RunKind.AUDIT))
    ledger.record_state("20260131-c", RunState.FINISHED, {"audit": {"calls": {"total": 5, "throttled": 0}}})
    for _ in range(2):
        totals.read(ledger)
        assert totals.verdicts["eu", "in_sync"] == 3
        assert totals.calls_made() == {"default": (14, 2), "eu": (9, 2)}
    assert totals.runs == {("apply", "finished"): 2, ("audit", "finished"): 1}
    assert totals.audited == {"default": datetime(2026, 1, 31, 23, 59, 59, 123_000, tzinfo=UTC)}
    assert totals.ledger_bytes > 10_000


async def test_calls_of_a_run_under_way_are_counted_and_once_it_ends_not_twice(
    ledger: Ledger, a_run: Callable[..., RunRecord]
) -> None:
    totals = Totals()
    ledger.start_run(a_run())
    ledger.record_state("20260131-a", RunState.APPLYING, {"batches": 1})
    await _calls(ledger, "20260131-a", 200, 429, 429)
    totals.read(ledger)
    assert totals.calls_made() == {"default": (3, 2)}
    ledger.record_state("20260131-a", RunState.FINISHED, {"document": DOCUMENT})
    totals.read(ledger)
    assert totals.calls_made() == {"default": (9, 2)}


async def test_a_run_that_was_killed_is_counted_as_far_as_it_came(
    ledger: Ledger, a_run: Callable[..., RunRecord]
) -> None:
    totals = Totals()
    ledger.start_run(a_run())  # begun months ago
    await _calls(ledger, "20260131-a", 200)
    for _ in range(3):
        totals.read(ledger)
        assert totals.calls_made() == {"default": (1, 0)}, "a counter never goes back"


def test_runs_are_counted_in_the_states_that_lists_show(ledger: Ledger, a_run: Callable[..., RunRecord]) -> None:
    gone = {"host": socket.gethostname(), "pid": 2**30, "process": "long ago"}
    for run_id, kind in (("20260131-a", RunKind.APPLY), ("20260131-b", RunKind.PLAN), ("20260131-c", RunKind.PLAN)):
        ledger.start_run(a_run(run_id, kind=kind, **gone))
    ledger.record_state("20260131-a", RunState.APPLYING, {"batches": 1})
    ledger.record_state("20260131-b", RunState.PLANNED, {})
    ledger.start_run(a_run("20260131-d", pid=os.getpid(), host=socket.gethostname(), process=process_mark(os.getpid())))
    ledger.record_state("20260131-d", RunState.APPLYING, {"batches": 1})
    totals = Totals()
    totals.read(ledger)
    assert totals.runs == {
        ("apply", "interrupted"): 1,
        ("plan", "planned"): 1,
        ("plan", "interrupted"): 1,
        ("apply", "applying"): 1,
    }
    shown = Counter((str(each.record.kind), str(each.state)) for each in ledger.runs())
    assert totals.runs == dict(shown)

import os
import socket
from collections.abc import Callable

import pytest

from simtandem.host.processes import process_mark
from simtandem.ledger.records import RunKind, RunRecord, RunState, state_to_show
from simtandem.ledger.store import Ledger

MakeRun = Callable[..., RunRecord]


class Probe:
    """Knows one process, and whether it runs."""

    def __init__(self, host: str, pid: int, *, runs: bool) -> None:
        self._process = (host, pid)
        self._runs = runs

    def __call__(self, host: str, pid: int, process: str | None) -> bool:
        assert (host, pid) == self._process
        return self._runs


@pytest.mark.parametrize("state", [None, RunState.PLANNED, RunState.APPLYING, RunState.RECONCILING])
def test_a_run_with_more_to_do_is_interrupted_once_its_process_is_gone(state: RunState | None, a_run: MakeRun) -> None:
    record = a_run(host="here", pid=7)
    assert state_to_show(record, state, Probe("here", 7, runs=True)) is state
    assert state_to_show(record, state, Probe("here", 7, runs=False)) is RunState.INTERRUPTED


@pytest.mark.parametrize("state", [RunState.REFUSED, RunState.FINISHED, RunState.INTERRUPTED, RunState.FAILED])
def test_a_run_that_ended_stays_as_it_ended(state: RunState, a_run: MakeRun) -> None:
    assert state_to_show(a_run(host="here", pid=7), state, Probe("here", 7, runs=False)) is state


def test_a_run_that_only_plans_is_done_when_planned(a_run: MakeRun) -> None:
    record = a_run(kind=RunKind.PLAN, host="here", pid=7)
    assert state_to_show(record, RunState.PLANNED, Probe("here", 7, runs=False)) is RunState.PLANNED
    assert state_to_show(record, None, Probe("here", 7, runs=False)) is RunState.INTERRUPTED


def test_a_run_whose_id_was_used_again_shows_as_interrupted(ledger: Ledger, a_run: MakeRun) -> None:
    mine = process_mark(os.getpid())
    for run_id, process in (("alive", mine), ("dead", "another-boot/1"), ("older", None)):
        ledger.start_run(a_run(run_id, kind=RunKind.APPLY, host=socket.gethostname(), pid=os.getpid(), process=process))
        ledger.record_state(run_id, RunState.APPLYING, {})
    states = {each.record.run_id: each.state for each in ledger.runs()}
    assert states == {"alive": RunState.APPLYING, "dead": RunState.INTERRUPTED, "older": RunState.APPLYING}
    assert ledger.run("alive").record.process == mine

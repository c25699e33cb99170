"""Whose calls fill a rate limit: kinds of runs and hosts."""

import socket
from collections.abc import Callable

import pytest

from simtandem.ledger.call_holders import by_kind_and_host
from simtandem.ledger.call_slots import OTHERS
from simtandem.ledger.leases import Lease
from simtandem.ledger.records import RunKind, RunRecord
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.test_call_slots import shared

__all__ = ["shared"]


def test_calls_are_counted_by_kind_and_by_the_host_that_sends(
    shared: Ledger, a_run: Callable[..., RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id, kind in (("a", RunKind.APPLY), ("b", RunKind.APPLY), ("c", RunKind.AUDIT)):
        shared.start_run(a_run(run_id, kind=kind, host="began"))
    monkeypatch.setattr(socket, "gethostname", lambda: "took-over")
    lease = Lease(shared.database, "eu", "b")
    lease.begin()
    lease.end()
    held = by_kind_and_host(shared.database, [("a", 5), ("b", 3), ("c", 2), ("gone", 1), (OTHERS, 4)])
    assert held == {
        ("apply", "began"): 5,
        ("apply", "took-over"): 3,
        ("audit", "began"): 2,
        ("unknown", ""): 1,
        (OTHERS, ""): 4,
    }

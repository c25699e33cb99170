"""Whether a run is under way: by its process where that is here, and by its lease wherever it sends."""

import os
import socket

import pytest

from simtandem.errors import InputError
from simtandem.host.processes import process_mark
from simtandem.runs.prepare import read_devices
from simtandem.runs.under_way import require_ended, runs_here
from tests.simtandem.runs.conftest import MakeRun


def test_a_run_whose_process_is_gone_is_under_way_while_it_holds_a_lease(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    found = run.ledger.run(run.run_id, may_run=lambda *_: False)
    run.lease.begin()
    with pytest.raises(InputError, match=rf"is sending \(process {os.getpid()} on .* was killed, run again"):
        require_ended(run.ledger, found, run.settings.account_key)
    run.lease.end()
    require_ended(run.ledger, found, run.settings.account_key)


def test_a_run_whose_process_lives_is_under_way_once_it_has_a_plan(make_run: MakeRun) -> None:
    run = make_run(["1"])
    read_devices(run)
    found = run.ledger.run(run.run_id, may_run=runs_here)
    with pytest.raises(InputError, match=rf"is under way \(process {os.getpid()} on .*wait for its end\.$"):
        require_ended(run.ledger, found, run.settings.account_key)
    require_ended(run.ledger, found, run.settings.account_key, planned=False)


def test_a_process_of_another_host_can_not_be_checked() -> None:
    here = (os.getpid(), process_mark(os.getpid()))
    assert [runs_here(host, *here) for host in (socket.gethostname(), "elsewhere")] == [True, False]

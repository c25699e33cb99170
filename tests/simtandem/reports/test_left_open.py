"""What is offered after a run can still do something: not what a retry or another run has done since."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.accounts import AccountKey
from schemas.parameters import ReportFormat
from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.fleet import Fleet
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import has_ended
from simtandem.ledger.store import Ledger
from simtandem.reports.left_open import retries_offered, told_by_now
from simtandem.reports.run_from_ledger import known_results
from simtandem.runs import audit_report
from simtandem.runs.retry import next_step
from tests.simtandem.runs.emulated import Desk

SIMS = (11, 12)
ON = dict.fromkeys(SIMS, Target.ACTIVATED)


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    fleet = [Group(1, SimStatus.SUSPENDED, EndpointStatus.DISABLED, sim_id=sim, endpoint_id=100 + sim) for sim in SIMS]
    with Emulator(fleet) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path) -> Desk:
    carrier.reset()
    carrier.inject()
    return Desk(carrier, tmp_path / "home")


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    desk.home.mkdir(exist_ok=True)
    with closing(Ledger.open(desk.settings.ledger())) as opened:
        yield opened


def failing(desk: Desk, **options: Any) -> str:
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    run = desk.apply(ON, **options)
    desk.emulator.inject()
    assert (run["verdicts"]["failed"], run["next"]) == (2, f"simtandem retry {run['run_id']}")
    return str(run["run_id"])


def retried(desk: Desk, run_id: str) -> str:
    return str(desk.request(desk.file("sim_id", "11"), retry_of=run_id)["run_id"])


def offered(ledger: Ledger) -> Mapping[str, str]:
    return retries_offered(ledger, [*reversed(ledger.runs(100))])


def by_now(ledger: Ledger, run_id: str) -> Mapping[str, Any]:
    return told_by_now(ledger, ledger.run(run_id), known_results(ledger, run_id))


def page_of_today(desk: Desk, ledger: Ledger) -> str:
    today = datetime.now(UTC).date()
    days = (today - timedelta(days=1), today)
    written = audit_report.export_period(ledger, desk.settings, *days, [ReportFormat.HTML])
    return Path(written["files"]["html"]).read_text(encoding="utf-8")


def test_a_run_is_offered_until_a_retry_has_finished_it(desk: Desk, ledger: Ledger) -> None:
    run_id = failing(desk)
    assert offered(ledger) == {run_id: f"simtandem retry {run_id}"}
    assert f"simtandem retry {run_id}" in page_of_today(desk, ledger)
    retry = retried(desk, run_id)
    assert offered(ledger) == {}
    assert by_now(ledger, run_id)["finished_by"] == retry
    assert "simtandem retry" not in page_of_today(desk, ledger)


def test_what_is_known_of_an_account_is_read_once_for_years_of_runs(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [failing(desk), failing(desk)]
    known, read = Ledger.last_known, list[AccountKey]()

    def reading(of: Ledger, account: AccountKey) -> pl.DataFrame:
        read.append(account)
        return known(of, account)

    monkeypatch.setattr(Ledger, "last_known", reading)
    assert list(offered(ledger)) == runs
    assert len(read) == 1


def test_of_a_run_and_its_retry_the_one_that_came_last_is_offered(desk: Desk, ledger: Ledger) -> None:
    run_id = failing(desk)
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    retry = retried(desk, run_id)
    desk.emulator.inject()
    assert list(offered(ledger)) == [retry]


def test_what_another_run_has_brought_there_since_is_offered_no_more(desk: Desk, ledger: Ledger) -> None:
    run_id = failing(desk)
    desk.apply({11: Target.ACTIVATED})
    assert list(offered(ledger)) == [run_id], "one is still open"
    last = desk.apply({12: Target.ACTIVATED})["run_id"]
    assert offered(ledger) == {}
    told = by_now(ledger, run_id)
    assert (told["finished_by"], "next" in told) == (last, False)


def test_a_later_run_that_wanted_something_else_leaves_it_open(desk: Desk, ledger: Ledger) -> None:
    desk.apply(ON)
    for sim in SIMS:
        desk.emulator.change(partial(Fleet.drift_sim, sim_id=sim, status=SimStatus.SUSPENDED))
    run_id = failing(desk)
    desk.apply(dict.fromkeys(SIMS, Target.SUSPENDED))
    assert list(offered(ledger)) == [run_id]


def test_a_device_that_is_gone_is_not_offered_and_it_is_said_what_to_do(desk: Desk, ledger: Ledger) -> None:
    run = desk.request(desk.file("sim_id,status", "11,factory_test", "99,activated"))
    assert "next" not in run
    assert [": correct it in the list" in each for each in sorted(run["instead"])] == [True, False]
    assert offered(ledger) == {}


def test_a_killed_run_of_which_all_is_refused_names_no_retry(desk: Desk, ledger: Ledger) -> None:
    run_id = desk.request(desk.file("sim_id,status", "11,factory_test"), killed_once_planned=True)["run_id"]
    run = ledger.run(run_id)
    assert has_ended(run)
    told = next_step(ledger, run)
    assert "simtandem retry" not in told
    assert "no run can change that" in told

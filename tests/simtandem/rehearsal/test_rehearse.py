"""Plans of an emulated carrier that stands for the real one, rehearsed on another one."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.host.clock import SimulatedTime
from simtandem.ledger.records import RunKind
from simtandem.ledger.store import Ledger
from simtandem.rehearsal import rehearse as rehearsing
from simtandem.rehearsal.rehearse import Rehearsed, rehearse
from simtandem.runs import pipeline
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import Settings

FIRST = 10_000_001
EVERY_KIND = (
    Group(30),
    Group(5, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
    Group(5, SimStatus.ACTIVATED, EndpointStatus.DISABLED),
    Group(5, SimStatus.SUSPENDED, EndpointStatus.DISABLED),
    Group(3, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED),
    Group(2, SimStatus.ACTIVATED, None),
    Group(2, None, EndpointStatus.DISABLED),
)
Plan = Callable[..., Run]


@pytest.fixture(scope="module")
def real() -> Iterator[Emulator]:
    with Emulator(path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def plan(tmp_path: Path, real: Emulator) -> Plan:
    """Plans for the first so many SIMs of such a fleet."""

    def make(fleet: tuple[Group, ...], sims: int, word: str = "activated", **settings: Any) -> Run:
        real.refill(fleet)
        file = tmp_path / "devices.csv"
        file.write_text("sim_id,status\n" + "".join(f"{FIRST + number},{word}\n" for number in range(sims)))
        chosen = Settings(home=tmp_path / "home", emnify_url=real.url, emnify_token=SecretStr(real.token), **settings)
        request = BulkUpdate(file=str(file), mode=Mode.APPLY, batch_size=20)
        run = Run.begin(request, RunKind.PLAN, chosen, asked_on=AskedOn.TERMINAL)
        try:
            asyncio.run(pipeline.compare(run))
        finally:
            run.close()
        return run

    return make


def rehearsed(run: Run, *, faults: bool = False) -> Rehearsed:
    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        return runner.run(rehearse(run, faults=faults, say=lambda *_: None))


def test_the_emulated_carrier_holds_the_listed_devices_so_the_plan_is_the_same(plan: Plan) -> None:
    told = rehearsed(plan(EVERY_KIND, 50))

    assert told.same_plan
    assert told.document["verdicts"]["in_sync"] == 48
    assert told.document["verdicts"]["refused"] == 2, "SIMs without endpoint"
    assert told.document["changed"]["newly_billed"] == 38
    results = pl.read_csv(told.results)
    assert results.height == 50


def test_nothing_but_the_listing_reaches_the_carrier_and_the_ledger(plan: Plan, real: Emulator) -> None:
    run = plan(EVERY_KIND, 50)
    before, calls = real.fleet.state_counts(), real.stats()["calls"]
    rehearsed(run)

    assert (real.fleet.state_counts(), real.stats()["calls"]) == (before, calls)
    with Ledger.open(run.settings.ledger()) as ledger:
        assert [each.record.kind for each in ledger.runs(10)] == [RunKind.PLAN]
    assert [path.name for path in run.settings.runs_folder.iterdir()] == [run.run_id]
    assert not (run.settings.home / "rehearsals").exists()


def test_hours_of_the_rate_limit_are_rehearsed_in_seconds_and_told_in_full(plan: Plan) -> None:
    fleet = (Group(60, SimStatus.ACTIVATED, EndpointStatus.ENABLED),)
    run = plan(fleet, 60, "suspended", calls=20, calls_window_s=600.0, calls_reserve=0.0)
    told = rehearsed(run)

    assert told.document["verdicts"]["in_sync"] == 60
    assert 1800 < told.document["seconds"] < 3 * 3600
    assert told.document["calls"]["throttled"] == 0
    assert told.took_s < 60


def test_a_plan_that_the_window_does_not_delay_takes_what_its_calls_take(plan: Plan) -> None:
    document = rehearsed(plan((Group(40, SimStatus.ACTIVATED, EndpointStatus.ENABLED),), 40, "suspended")).document

    assert 0.5 < document["seconds"] < 30


def test_with_faults_calls_are_repeated_and_nothing_is_lost(plan: Plan) -> None:
    told = rehearsed(plan((Group(400),), 400), faults=True)

    assert told.document["calls"]["retried"] > 0
    assert sum(told.document["verdicts"].values()) == 400
    assert told.document["verdicts"]["in_sync"] >= 390


def test_faults_are_the_same_each_time(plan: Plan) -> None:
    run = plan((Group(60),), 60)
    first, second = (rehearsed(run, faults=True).document["calls"] for _ in range(2))

    assert first["total"] == pytest.approx(second["total"], abs=10)


def test_what_would_lead_to_people_records_or_the_carrier_is_not_taken_over(plan: Plan, tmp_path: Path) -> None:
    run = plan(
        EVERY_KIND, 3, ledger_url=SecretStr(f"sqlite:///{tmp_path / 'kept.sqlite'}"), notify_webhook=SecretStr("x")
    )
    settings = rehearsing._settings(run.settings, {"home": tmp_path / "other"})

    assert settings.ledger() == f"sqlite:///{tmp_path / 'other' / 'ledger.sqlite'}"
    assert settings.runs_folder == tmp_path / "other" / "runs"
    assert (settings.notify_webhook, settings.notify_email, settings.inbox) == (None, None, None)
    assert settings.calls == run.settings.calls


def test_the_home_of_a_rehearsal_that_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "rehearsals" / "0123456789ab"
    left.mkdir(parents=True)
    (left / "ledger.sqlite").touch()
    left.with_suffix(".lock").touch()
    with rehearsing._temporary_home(tmp_path) as home, rehearsing._temporary_home(tmp_path) as other:
        assert not left.exists()
        assert home.is_dir()
        assert other.is_dir(), "one that is under way stays"
        assert home.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "rehearsals").exists()

"""A scheduled selection is evaluated when it is due, by the run that carries it out."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.cli import schedule
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import InputError
from simtandem.inbox.due_runs import Began, due_runs
from simtandem.inbox.due_selections import selection_lookup
from simtandem.inbox.file_request import selection_request
from simtandem.ledger.records import RunKind
from simtandem.ledger.schedule_records import FileVersion
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.runs import finish, prepare
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.inbox.conftest import Clock
from tests.simtandem.runs.emulated import Desk

RESTING = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)
SUMMER = "tag = 'summer'"


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    fleet = [Group(1, *RESTING, sim_id=sim, endpoint_id=100 + sim, tags="summer") for sim in (1, 2, 3)]
    with Emulator([*fleet, Group(1, *RESTING, sim_id=4, endpoint_id=104)], path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    carrier.reset()
    desk = Desk(carrier, tmp_path / "home")
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
    return desk


@pytest.fixture
def ledger(desk: Desk, clock: Clock) -> Iterator[Ledger]:
    desk.home.mkdir()
    with closing(Ledger.open(desk.settings.ledger(), clock=clock)) as opened:
        yield opened


def add(file: str | None, where: str, to: str | None, *, at: str) -> None:
    assert schedule.add(file and Path(file), at, to, where=where, as_json=False) == 0  # type: ignore[arg-type]


def look(desk: Desk, ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    """What a look carries out: the end of each run, and its document."""
    ends = []
    with due_runs(Schedules(ledger), desk.settings) as work:
        assert work
        while (began := work.begin()) is not None:
            asyncio.run(carry_out(desk, began))
            ends.append((str(work.end(began)), dict(work.document(began) or {})))
    return ends


async def carry_out(desk: Desk, began: Began) -> None:
    run = Run.begin(began.request, began.run.kind, desk.settings, began.run)
    try:
        with run.failing():
            async with run.carrier() as (carrier, journal):
                await prepare.list_inventory(run, carrier)
                prepare.plan_changes(run)
                applying = Applying(run, carrier, journal)
                for work in applying.batches():
                    await applying.apply(work, work.first)
                    await applying.apply(work, work.second)
                    await applying.finish(work)
                await finish.reconcile(run, carrier)
            finish.finish(run)
    except InputError:
        pass
    finally:
        run.close()


def tomorrow() -> str:
    return f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M}"


def states(ledger: Ledger) -> list[tuple[str, str]]:
    return [(str(each.state), each.detail) for each in Schedules(ledger).all(open_only=False)]


def test_devices_are_selected_when_the_schedule_is_due(desk: Desk, ledger: Ledger, clock: Clock) -> None:
    add(None, SUMMER, "activated", at=tomorrow())
    desk.emulator.fleet.endpoint(101).tags = None
    desk.emulator.fleet.endpoint(104).tags = "summer"
    clock.now = datetime.now(UTC)
    assert look(desk, ledger) == []
    clock.advance(days=1.1)
    ((end, document),) = look(desk, ledger)
    assert (end, document["verdicts"]["in_sync"], document["selection"]["where"]) == ("applied", 3, SUMMER)
    assert [desk.emulator.fleet.sim(sim).status for sim in (1, 2, 3, 4)] == [
        SimStatus.SUSPENDED,
        *[SimStatus.ACTIVATED] * 3,
    ]
    selected = (desk.home / "runs" / document["run_id"] / "selected.csv").read_text()
    assert [line.split(",")[0] for line in selected.splitlines()[1:]] == ["2", "3", "4"]
    assert look(desk, ledger) == []


def test_of_a_file_only_what_is_selected_then_is_carried_out(desk: Desk, ledger: Ledger, clock: Clock) -> None:
    add(desk.file("sim_id,status", "1,activated", "4,activated"), SUMMER, None, at=tomorrow())
    clock.now = datetime.now(UTC) + timedelta(days=1.1)
    ((end, document),) = look(desk, ledger)
    assert (end, document["selection"]["selected"], document["verdicts"]["in_sync"]) == ("applied", 1, 1)


def test_a_selection_that_is_due_for_too_long_is_left_out(desk: Desk, ledger: Ledger, clock: Clock) -> None:
    add(None, SUMMER, "activated", at=tomorrow())
    clock.now = datetime.now(UTC) + timedelta(days=9)
    assert look(desk, ledger) == []
    ((state, detail),) = states(ledger)
    assert state == "left_out"
    assert detail.startswith("it was due ")


def test_a_selection_that_can_not_be_used_any_more_is_not_tried_again(desk: Desk, ledger: Ledger, clock: Clock) -> None:
    add(None, SUMMER, "activated", at=tomorrow())
    clock.now = datetime.now(UTC)
    where, version = "last_event < 2026-01-01", FileVersion("", "a selection", 1, "x", "y")
    offer = selection_request(version, where, Target.ACTIVATED, clock.now + timedelta(days=1), clock.now)
    assert Schedules(ledger).record(offer.arrival, offer.schedules, offer.rejected)
    clock.advance(days=1.1)
    ends = look(desk, ledger)
    assert sorted(end for end, _ in ends) == ["applied", "refused"], "the other one is carried out"
    assert "can be compared with" in "".join(detail for _, detail in states(ledger))
    assert look(desk, ledger) == []


@pytest.mark.parametrize(
    ("where", "to", "at", "said"),
    [
        (SUMMER, "activated", None, "names no status and no time"),
        (SUMMER, None, "now", "names no status and no time"),
        (" ", "activated", "now", "--where is empty"),
        ("tag = summer", "activated", "now", "a word needs quotes"),
        ("last_event < 2026-01-01", "activated", "now", "can be compared with"),
    ],
)
def test_what_can_not_be_selected_is_not_scheduled(
    desk: Desk, where: str, to: str | None, at: str | None, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        schedule.add(None, at, to, where=where, as_json=False)
    assert "Nothing was scheduled" in str(caught.value)
    assert "sent" not in str(caught.value)


def look_and_ask(desk: Desk, ledger: Ledger) -> tuple[list[str], list[str]]:
    """As `look`, with the carrier asked what selections select; also what was left out."""
    ends, select = [], selection_lookup(desk.settings, ledger)
    with due_runs(Schedules(ledger), desk.settings, select=select) as work:
        assert work
        while (began := work.begin()) is not None:
            asyncio.run(carry_out(desk, began))
            ends.append(str(work.end(began)))
        return ends, [str(each) for each in work.left_out]


def sims_on(desk: Desk) -> list[int]:
    return [sim for sim in (1, 2, 3, 4) if desk.emulator.fleet.sim(sim).status is SimStatus.ACTIVATED]


def test_a_selection_and_a_row_that_contradict_each_other_at_one_moment_are_neither_carried_out(
    desk: Desk, ledger: Ledger, clock: Clock
) -> None:
    at = tomorrow()
    assert schedule.add(None, at, "activated", where=SUMMER, as_json=False) == 0
    lines = ("sim_id,status,effective_at", f"1,suspended,{at}", f"4,activated,{at}")
    assert schedule.add(Path(desk.file(*lines)), at, None, as_json=False) == 0
    clock.now = datetime.now(UTC) + timedelta(days=1.1)
    ends, told = look_and_ask(desk, ledger)
    assert (ends, sims_on(desk)) == (["applied"], [4])
    assert len(told) == 2
    assert any(
        "selects 1 device of which something else that is due asks another status, the first: 1," in each
        for each in told
    )
    assert look_and_ask(desk, ledger) == ([], []), "the selection is not carried out without the row either"
    assert sorted(state for state, _ in states(ledger)) == ["applied", "left_out"]


@pytest.mark.parametrize(("later", "on"), [("selection", [1, 2, 3]), ("row", [])])
def test_of_a_selection_and_a_row_the_later_one_counts(
    desk: Desk, ledger: Ledger, clock: Clock, later: str, on: list[int]
) -> None:
    first, second = (f"{datetime.now(UTC) + timedelta(days=1, hours=hours):%Y-%m-%d %H:%M}" for hours in (0, 1))
    moments = {"selection": second, "row": first} if later == "selection" else {"selection": first, "row": second}
    add(None, SUMMER, "activated", at=moments["selection"])
    file = desk.file("sim_id,status,effective_at", f"1,suspended,{moments['row']}")
    assert schedule.add(Path(file), None, None, as_json=False) == 0
    clock.now = datetime.now(UTC) + timedelta(days=1.1)
    look_and_ask(desk, ledger)
    assert sims_on(desk) == on


def test_the_carrier_is_not_asked_where_all_that_is_due_asks_the_same(desk: Desk, ledger: Ledger, clock: Clock) -> None:
    add(None, SUMMER, "activated", at=tomorrow())
    add(None, "sim_id = 4", "activated", at=tomorrow())
    clock.now = datetime.now(UTC) + timedelta(days=1.1)
    assert look_and_ask(desk, ledger) == (["applied", "applied"], [])
    assert [run.record.kind for run in ledger.runs(10)] == [RunKind.APPLY] * 2


def test_who_schedules_a_selection_is_told_that_overlaps_are_not_foreseen(
    desk: Desk, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    add(None, SUMMER, "activated", at=tomorrow())
    assert "overlaps with other schedules can't be foreseen" in " ".join(capsys.readouterr().out.split())

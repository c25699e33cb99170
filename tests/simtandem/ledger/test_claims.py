"""Claims and leases, on both databases: who may change a device, and how that ends."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text

from simtandem import progress
from simtandem.carriers import registry
from simtandem.carriers.aeris.paths import STATE_CHANGES
from simtandem.carriers.emnify.paths import BULK, SIM
from simtandem.carriers.protocol import Answer, Call, Outdated
from simtandem.carriers.rate_limit import Asked, Taken, Window
from simtandem.errors import Interrupted
from simtandem.ledger import leases
from simtandem.ledger.call_slots import LedgerSlots
from simtandem.ledger.claims import (
    Blocked,
    Claimed,
    LeaseLost,
    changed_hands,
    claim,
    current_turn,
    endpoint_turn,
    overlap,
    release,
)
from simtandem.ledger.database import Database
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.leases import Lease, held
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import Clock

MakeLease = Callable[[str], Lease]
KillInCall = Callable[..., Awaitable[Lease]]


@pytest.fixture
def database(ledger: Ledger) -> Database:
    return ledger.database


@pytest.fixture
def lease(database: Database) -> Iterator[MakeLease]:
    """Makes leases, each of a run of its own, and begins them."""
    made: list[Lease] = []

    def make(run_id: str) -> Lease:
        one = Lease(database, "host", run_id)
        one.begin()
        made.append(one)
        return one

    yield make
    for each in made:
        each.end()


def die(database: Database, lease: Lease, seconds_ago: float) -> None:
    """What is left of a lease whose process was killed so long ago."""
    if lease._lock is not None:
        lease._lock.release()
    else:
        lease._over.set()
        assert lease._thread
        lease._thread.join()
    with database.write() as connection:
        past = text("UPDATE leases SET seen_at = seen_at - :s, sent_at = sent_at - :s WHERE lease_id = :lease_id")
        connection.execute(past, {"s": seconds_ago, "lease_id": lease.lease_id})


def test_a_device_is_one_runs_at_a_time_and_all_are_claimed_or_none(database: Database, lease: MakeLease) -> None:
    one, other = lease("one"), lease("other")
    assert isinstance(claim(database, one, ["sim 1", "sim 2"]), Claimed)
    blocked = claim(database, other, ["sim 2", "sim 3"])
    assert isinstance(blocked, Blocked)
    assert (blocked.by.run_id, blocked.devices, blocked.landing) == ("one", 1, False)
    assert isinstance(claim(database, one, ["sim 3"]), Claimed), "nothing of it was claimed"
    release(database, one, ["sim 2", "sim 3"])
    assert isinstance(claim(database, other, ["sim 2", "sim 3"]), Claimed)


def test_accounts_do_not_wait_for_each_other(database: Database, lease: MakeLease) -> None:
    claim(database, lease("one"), ["sim 1"])
    other = Lease(database, "elsewhere", "other")
    other.begin()
    assert isinstance(claim(database, other, ["sim 1"]), Claimed)
    other.end()


def test_what_changed_hands_since_a_listing_is_known_without_a_clock(database: Database, lease: MakeLease) -> None:
    one, other = lease("one"), lease("other")
    claim(database, other, ["sim 1"])
    release(database, other, ["sim 1"])
    claim(database, other, ["sim 2"])
    listed = current_turn(database, "host")
    assert changed_hands(database, one, listed) == set(), "what is held is read when it is claimed"
    release(database, other, ["sim 2"])
    claim(database, one, ["sim 3"])
    release(database, one, ["sim 3"])
    assert changed_hands(database, one, listed) == {"sim 2"}
    claimed = claim(database, one, ["sim 1", "sim 2", "sim 3", "sim 4"])
    assert isinstance(claimed, Claimed)
    assert claimed.touched("one", one.mine, lambda _: listed) == {"sim 2"}


def test_what_a_killed_run_had_is_taken_over_once_its_calls_have_landed(database: Database, lease: MakeLease) -> None:
    killed, other = lease("killed"), lease("other")
    claim(database, killed, ["sim 1"])
    listed = current_turn(database, "host")
    die(database, killed, 1000)
    assert [each.run_id for each in held(database, "host")] == ["other"]
    claimed = claim(database, other, ["sim 1"])
    assert isinstance(claimed, Claimed)
    assert claimed.touched("other", other.mine, lambda _: listed) == {"sim 1"}


@pytest.fixture
def killed(ledger: Ledger, lease: MakeLease, clock: Clock, a_run: Callable[[str], RunRecord]) -> KillInCall:
    """Kills a run that sent a call so long ago, which is answered or not."""

    async def kill(path: str, seconds_ago: float, *, answered: bool = False) -> Lease:
        ledger.start_run(a_run("killed"))
        dying = lease("killed")
        claim(ledger.database, dying, ["sim 1", "endpoint writes"])
        clock.now = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        async with CallWriter(ledger, "killed") as journal:
            call_id = await journal.intent(Call("PATCH", path, "change"))
            if answered:
                await journal.answer(call_id, Answer(204, 0.1))
        with ledger.database.write() as connection:
            dying.require_to_send(connection, dying.lease_id)
        die(ledger.database, dying, seconds_ago)
        return dying

    return kill


@pytest.mark.parametrize(("path", "patient_s"), [(BULK, 85), (f"{SIM}/1", 30), (STATE_CHANGES, 85)])
async def test_a_killed_runs_call_is_under_way_for_as_long_as_its_client_would_have_waited(
    database: Database, lease: MakeLease, killed: KillInCall, path: str, patient_s: float
) -> None:
    await killed(path, patient_s - 3)
    other = lease("other")
    blocked = claim(database, other, ["sim 1"])
    assert isinstance(blocked, Blocked)
    assert blocked.landing == pytest.approx(8, abs=3), "the time that is left, and a call's way out"
    with pytest.raises(Interrupted):
        async with endpoint_turn(database, other, lambda: True):
            raise AssertionError("it would overlap")
    assert changed_hands(database, other, -1) == set(), "it is read once it has landed"


@pytest.mark.parametrize(
    ("path", "seconds_ago", "answered"), [(BULK, 91, False), (f"{SIM}/1", 36, False), (BULK, 21, True)]
)
async def test_what_is_answered_or_given_up_keeps_nobody_waiting(
    database: Database, lease: MakeLease, killed: KillInCall, path: str, seconds_ago: float, answered: bool
) -> None:
    await killed(path, seconds_ago, answered=answered)
    other = lease("other")
    assert isinstance(claim(database, other, ["sim 1"]), Claimed)
    async with endpoint_turn(database, other, lambda: False):
        """It is this run's."""


async def test_who_waits_for_a_dead_runs_endpoint_write_says_how_long(
    database: Database, lease: MakeLease, killed: KillInCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MANY_WITHIN_S", 22.0)
    await killed(BULK, 25)
    told: list[str] = []
    monkeypatch.setattr(progress.current(), "message", told.append)
    async with asyncio.timeout(20), endpoint_turn(database, lease("other"), lambda: False):
        """Two seconds later."""
    assert len(told) == 1
    assert re.search(r"^Run killed ended .* waiting for them, [123] s at most\.$", told[0])


def test_who_comes_back_after_a_takeover_claims_nothing(database: Database, lease: MakeLease) -> None:
    late, other = lease("late"), lease("other")
    claim(database, late, ["sim 1"])
    die(database, late, 1000)
    claim(database, other, ["sim 1"])
    with pytest.raises(LeaseLost):
        claim(database, late, ["sim 2"])
    assert late.lost
    release(database, late, ["sim 1"])
    assert isinstance(claim(database, lease("third"), ["sim 1"]), Blocked), "it is the other's still"
    late.begin()
    assert isinstance(claim(database, late, ["sim 2"]), Claimed)


def test_of_what_a_lost_lease_had_only_that_of_others_is_touched(database: Database, lease: MakeLease) -> None:
    late, other = lease("late"), lease("other")
    claim(database, late, ["sim 1", "sim 2"])
    die(database, late, 1000)
    assert isinstance(claim(database, other, ["sim 1"]), Claimed)
    release(database, other, ["sim 1"])
    with pytest.raises(LeaseLost):
        claim(database, late, ["sim 1", "sim 2"])
    late.begin()
    claimed = claim(database, late, ["sim 1", "sim 2"])
    assert isinstance(claimed, Claimed)
    assert claimed.touched("late", late.mine, lambda _: 0) == {"sim 1"}


def test_the_end_of_a_lease_releases_all_that_was_claimed_with_it(database: Database, lease: MakeLease) -> None:
    one, other = lease("one"), lease("other")
    claim(database, one, [f"sim {number}" for number in range(12_000)])
    one.end()
    assert isinstance(claim(database, other, [f"sim {number}" for number in range(12_000)]), Claimed)


def test_leases_are_held_by_name_and_until_their_end(database: Database, lease: MakeLease) -> None:
    one = lease("one")
    lease("other")
    assert [each.run_id for each in held(database, "host")] == ["one", "other"]
    assert [each.pid > 0 for each in held(database, "host", run_id="one")] == [True]
    one.end()
    assert held(database, "host", run_id="one") == []


def test_how_many_devices_two_plans_share_is_counted(whole_run: Ledger) -> None:
    assert overlap(whole_run.database, "20260131-a", "another") == (1, 1)
    assert overlap(whole_run.database, "20260131-a", "unknown") == (0, 1)


async def test_one_run_at_a_time_changes_endpoints(database: Database, lease: MakeLease) -> None:
    one, other, order = lease("one"), lease("other"), ""

    async def write(mine: Lease, name: str) -> None:
        nonlocal order
        async with endpoint_turn(database, mine, lambda: False):
            order += name
            await asyncio.sleep(0.2)
            order += name

    await asyncio.gather(write(one, "a"), write(other, "b"))
    assert order in ("aabb", "bbaa")
    async with endpoint_turn(database, one, lambda: False):
        with pytest.raises(Interrupted):
            async with endpoint_turn(database, other, lambda: True):
                raise AssertionError("it must not be sent")


WINDOW = Window("calls", 10, 300.0)
CHANGING = Asked((WINDOW,), changes=True)


@pytest.fixture
def postgres(new_schema: Callable[[], str]) -> Iterator[Database]:
    with Ledger.open(new_schema(), busy_timeout=5) as ledger:
        yield ledger.database


Two = tuple[Lease, Lease, LedgerSlots]  # the late lease, which has claimed a SIM, another one, the slots of the late


@pytest.fixture
def two(postgres: Database) -> Iterator[Two]:
    late, other = Lease(postgres, "host", "late"), Lease(postgres, "host", "other")
    for each in (late, other):
        each.begin()
    slots = LedgerSlots(postgres, "host", "late", at_most_s=5, lease=late)
    claim(postgres, late, ["sim 1"])
    yield late, other, slots
    slots.close()
    for each in (late, other):
        each.end()


async def test_without_its_lease_a_change_gets_no_slot(postgres: Database, two: Two) -> None:
    late, other, slots = two
    taken = await slots.take(CHANGING, lambda: False)
    assert isinstance(taken, Taken)
    assert await slots.confirm(taken)
    die(postgres, late, 1000)
    assert isinstance(claim(postgres, other, ["sim 1"]), Claimed)
    assert not await slots.confirm(taken), "it does not leave any more"
    with pytest.raises(Outdated):
        await slots.take(CHANGING, lambda: False)
    assert isinstance(await slots.take(Asked((WINDOW,)), lambda: False), Taken), "reading needs none"


async def test_a_slot_taken_with_a_lost_lease_is_no_good_with_one_begun_since(postgres: Database, two: Two) -> None:
    late, other, slots = two
    taken = await slots.take(CHANGING, lambda: False)
    assert isinstance(taken, Taken)
    die(postgres, late, 1000)
    assert isinstance(claim(postgres, other, ["sim 1"]), Claimed)
    late.begin()
    assert not await slots.confirm(taken), "its device is another run's"
    assert not late.lost, "that says nothing of the new one"
    again = await slots.take(CHANGING, lambda: False)
    assert isinstance(again, Taken)
    assert await slots.confirm(again)


async def test_a_slot_asked_for_with_a_lease_is_not_given_with_the_next(postgres: Database) -> None:
    late = Lease(postgres, "host", "late")
    late.begin()
    slots = LedgerSlots(postgres, "host", "late", at_most_s=5, lease=late)
    goes_on = Event()
    slots._thread.submit(goes_on.wait, 60)  # it is busy, as where the database is slow
    asking = asyncio.create_task(slots.take(CHANGING, lambda: False))
    await asyncio.sleep(0)
    late.begin()
    goes_on.set()
    with pytest.raises(Outdated):
        await asking
    slots.close()
    late.end()


async def test_calls_just_sent_may_land_before_a_takeover(postgres: Database) -> None:
    killed, other = Lease(postgres, "host", "killed"), Lease(postgres, "host", "other")
    for each in (killed, other):
        each.begin()
    slots = LedgerSlots(postgres, "host", "killed", at_most_s=5, lease=killed)
    claim(postgres, killed, ["sim 1"])
    await slots.take(CHANGING, lambda: False)
    slots.close()
    die(postgres, killed, 0)
    assert isinstance(claim(postgres, other, ["sim 1"]), Blocked), "it may be renewed yet"
    die(postgres, killed, leases.LANDING_S + 1)
    blocked = claim(postgres, other, ["sim 1"])
    assert isinstance(blocked, Blocked)
    assert blocked.landing
    die(postgres, killed, 5)
    assert isinstance(claim(postgres, other, ["sim 1"]), Claimed)
    other.end()


def test_nothing_is_left_beside_a_ledger_file(sqlite_url: str, tmp_path: Path) -> None:
    with Ledger.open(sqlite_url) as ledger:
        one, killed = Lease(ledger.database, "host", "one"), Lease(ledger.database, "host", "killed")
        for each in (one, killed):
            each.begin()
        claim(ledger.database, killed, ["sim 1"])
        die(ledger.database, killed, 0)
        claim(ledger.database, one, ["sim 1"])
        one.end()
    assert list(tmp_path.rglob("*.lock")) == []

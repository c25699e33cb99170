"""Slots in PostgreSQL: no window is ever over the limit, whoever shares them, dies, or loses the database."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import pytest

from simtandem import progress
from simtandem.carriers.rate_limit import LONGEST_CALL_S, Asked, CallBudget, Spacing, Taken, Window
from simtandem.errors import Interrupted, LedgerError
from simtandem.ledger.call_slots import LedgerSlots, calls_left
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.test_outage import Notes, Wire

WINDOW = Window("calls", 10, 300.0)
MakeSlots = Callable[..., LedgerSlots]


def never() -> bool:
    return False


@pytest.fixture
def shared(new_schema: Callable[[], str]) -> Iterator[Ledger]:
    with closing(Ledger.open(new_schema(), busy_timeout=5)) as ledger:
        yield ledger


@pytest.fixture
def slots(shared: Ledger) -> Iterator[MakeSlots]:
    """Makes slots of one pool, each as a process of its own would have them."""
    made: list[LedgerSlots] = []

    def make(holder: str = "run", pool: str = "host", at_most_s: float = 5.0) -> LedgerSlots:
        made.append(LedgerSlots(shared.database, pool, holder, at_most_s=at_most_s))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def take(slots: LedgerSlots, *windows: Window, urgent: bool = False, left_free: int = 0) -> Taken | float:
    return await slots.take(Asked(windows or (WINDOW,), left_free=left_free, urgent=urgent), never)


async def take_all(slots: LedgerSlots, count: int, *, urgent: bool = False) -> list[Taken]:
    taken = [await take(slots, urgent=urgent) for _ in range(count)]
    assert all(isinstance(each, Taken) for each in taken)
    return taken  # type: ignore[return-value]


def in_so_many_seconds(ledger: Ledger, seconds: float) -> None:
    """All times come so much nearer."""
    with ledger.database.write() as connection:
        for table, name in (("call_slots", "frees_at"), ("call_slots", "taken_at"), ("call_gates", "opens_at")):
            connection.exec_driver_sql(f"UPDATE {table} SET {name} = {name} - {seconds}")  # noqa: S608 - our own names


_CALLER = """
import asyncio, sys, time
from simtandem import progress
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.ledger.call_slots import LedgerSlots
from simtandem.ledger.store import Ledger

async def work(url, calls, seconds):
    ledger = Ledger.open(url)
    print("ready", flush=True)
    until = float(sys.stdin.readline())
    slots = LedgerSlots(ledger.database, "host", "run", at_most_s=30)
    budget, window = CallBudget(slots), Window("calls", calls, seconds)
    async def caller():
        while time.monotonic() < until:
            async with budget.place([window], unless=lambda: time.monotonic() > until):
                await asyncio.sleep(0.01)
                print(time.monotonic(), flush=True)  # the carrier's moment
                await asyncio.sleep(0.01)
    await asyncio.gather(*(caller() for _ in range(4)), return_exceptions=True)

asyncio.run(work(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
"""


def callers(url: str, processes: int, calls: int, seconds: float, for_s: float) -> "list[subprocess.Popen[str]]":
    command = [sys.executable, "-c", _CALLER, url, str(calls), str(seconds)]
    pipe = subprocess.PIPE
    working = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)]
    for each in working:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    until = time.monotonic() + for_s
    for each in working:
        assert each.stdin
        each.stdin.write(f"{until}\n")
        each.stdin.flush()
    return working


def most_in(moments: list[float], seconds: float) -> int:
    return max(sum(start <= each < start + seconds for each in moments) for start in moments)


def test_processes_use_the_limit_and_never_more_though_one_is_killed(
    new_schema: Callable[[], str],
) -> None:
    url, calls, seconds = new_schema(), 40, 2.0
    Ledger.open(url).close()
    working = callers(url, 3, calls, seconds, 8)
    time.sleep(4)
    working[0].kill()
    moments = sorted(float(line) for each in working for line in each.communicate(timeout=40)[0].split())
    assert most_in(moments, seconds) <= calls
    begun = [each for each in moments if each > moments[0] + 1]
    lost = 4  # what the killed process held may count for long
    assert len(begun) / (begun[-1] - begun[0]) * seconds >= 0.85 * (calls - lost)


async def test_a_killed_holders_slot_is_free_when_its_call_can_not_count_any_more(
    shared: Ledger, slots: MakeSlots
) -> None:
    one = Window("calls", 1, 15.0)
    await take(slots("killed"), one)
    assert await take(slots(), one) == pytest.approx(LONGEST_CALL_S + 15, abs=1)
    in_so_many_seconds(shared, LONGEST_CALL_S + 14)
    assert await take(slots(), one) == pytest.approx(1, abs=1)
    in_so_many_seconds(shared, 1)
    assert isinstance(await take(slots(), one), Taken)


async def test_an_answered_calls_slot_is_free_one_window_later(shared: Ledger, slots: MakeSlots) -> None:
    one, own = Window("calls", 1, 15.0), slots()
    taken = await take(own, one)
    assert isinstance(taken, Taken)
    own.release(taken)
    assert await take(own, one) == pytest.approx(15, abs=1)
    in_so_many_seconds(shared, 15.5)
    assert isinstance(await take(own, one), Taken)


async def test_an_answered_call_frees_each_of_its_windows(shared: Ledger, slots: MakeSlots) -> None:
    narrow, wide = Window("narrow", 1, LONGEST_CALL_S), Window("wide", 10, 3 * LONGEST_CALL_S)
    mine = slots()
    taken = await take(mine, narrow, wide)
    assert isinstance(taken, Taken)
    assert await mine.confirm(taken)
    mine.release(taken)

    assert isinstance(await take(mine, narrow, wide), float)
    in_so_many_seconds(shared, LONGEST_CALL_S + 1)
    assert isinstance(await take(mine, narrow, wide), Taken)


async def test_accounts_and_addresses_have_their_own(slots: MakeSlots) -> None:
    await take_all(slots(), 10)
    assert isinstance(await take(slots(pool="host address-2")), Taken)


async def test_a_slot_is_taken_in_every_window_or_in_none(shared: Ledger, slots: MakeSlots) -> None:
    second, minute, own = Window("second", 5, 1.0), Window("minute", 2, 60.0), slots()
    for _ in range(2):
        assert isinstance(await take(own, second, minute), Taken)
    wait = await take(own, second, minute)
    assert isinstance(wait, float)
    assert wait > 60
    left = calls_left(shared.database, "host", second)
    assert left is not None
    assert left.left == 3


async def test_calls_of_one_spacing_begin_apart_whoever_sends_them(slots: MakeSlots) -> None:
    begun: list[float] = []

    async def caller(budget: CallBudget) -> None:
        for _ in range(4):
            async with budget.place([WINDOW], Spacing("list", 0.1)):
                begun.append(time.monotonic())

    await asyncio.gather(caller(CallBudget(slots())), caller(CallBudget(slots())))
    assert max(begun) - min(begun) > 0.65


async def test_a_pause_is_everybodys(slots: MakeSlots) -> None:
    CallBudget(told := slots()).throttled(7.0)
    await take(told)  # one thing after another
    assert await take(slots()) == pytest.approx(7, abs=1)


async def test_what_is_left_free_is_there_for_others_and_the_rest_for_urgent_ones(slots: MakeSlots) -> None:
    window, own = Window("calls", 100, 300.0), slots()
    for free, urgent, count in ((10, False, 88), (0, False, 10), (0, True, 2)):
        taken = [await take(own, window, left_free=free, urgent=urgent) for _ in range(count)]
        assert all(isinstance(each, Taken) for each in taken)
        assert isinstance(await take(own, window, left_free=free, urgent=urgent), float)


async def test_an_urgent_call_gets_the_next_slot_and_not_all_of_them(shared: Ledger, slots: MakeSlots) -> None:
    bulk, urgent = slots("bulk"), slots("urgent")
    await take_all(bulk, 10)
    assert isinstance(await take(urgent, urgent=True), float), "it waits now"
    in_so_many_seconds(shared, LONGEST_CALL_S + 300)
    assert await take(bulk) == pytest.approx(0.2)
    order = ""
    while len(order) < 8:
        for name, own in (("b", bulk), ("u", urgent)):
            if name == "u":
                own._waits = False  # another call of it waits: what is known of that stays
            order += name if isinstance(await take(own, urgent=name == "u"), Taken) else ""
    assert order.startswith("uuub")
    assert order.count("b") >= 2


async def test_who_no_longer_waits_keeps_nobody_from_it(shared: Ledger, slots: MakeSlots) -> None:
    bulk, urgent = slots("bulk"), slots("urgent")
    await take_all(bulk, 10)
    await take(urgent, urgent=True)
    in_so_many_seconds(shared, LONGEST_CALL_S + 300)
    await take_all(urgent, 1, urgent=True)
    await take_all(bulk, 1)


async def test_a_slot_that_freed_itself_meanwhile_is_not_confirmed(shared: Ledger, slots: MakeSlots) -> None:
    own = slots()
    (taken,) = await take_all(own, 1)
    assert await own.confirm(taken)
    with shared.database.write() as connection:
        connection.exec_driver_sql("UPDATE call_slots SET frees_at = 0")
    assert not await own.confirm(taken)


async def test_who_holds_what_is_shown(shared: Ledger, slots: MakeSlots) -> None:
    await take_all(slots("one"), 3)
    await take_all(slots("two"), 5)
    use = calls_left(shared.database, "host", WINDOW)
    assert use is not None
    assert (use.left, use.holders, round(use.frees_s[0])) == (2, (("two", 5), ("one", 3)), 300)
    unknown = calls_left(shared.database, "unknown", WINDOW)
    assert unknown is not None
    assert unknown.left == 10


@pytest.fixture
def far(postgres_server: str, new_schema: Callable[[], str]) -> Iterator[tuple[Ledger, Wire]]:
    server = urlsplit(postgres_server)
    with closing(Wire(server.hostname or "127.0.0.1", server.port or 5432)) as wire:
        parts = urlsplit(new_schema())
        url = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{wire.port}"))
        with closing(Ledger.open(url, busy_timeout=20)) as ledger:
            yield ledger, wire


async def test_while_the_database_is_away_no_call_is_sent_and_then_they_go_on(far: tuple[Ledger, Wire]) -> None:
    (ledger, wire), notes = far, Notes()
    progress.install(notes)
    with closing(LedgerSlots(ledger.database, "host", "run", at_most_s=20)) as slots:
        budget = CallBudget(slots)
        async with budget.place([WINDOW]):
            wire.refuse = 6
            wire.cut()
        async with budget.place([WINDOW]):
            assert wire.refuse == 0
    assert len(notes.told) == 2
    assert "does not answer" in notes.told[0]
    assert "answers again" in notes.told[1]


async def test_a_stop_ends_the_waiting_for_the_database(far: tuple[Ledger, Wire]) -> None:
    ledger, wire = far
    with closing(LedgerSlots(ledger.database, "host", "run", at_most_s=300)) as slots:
        budget = CallBudget(slots)
        async with budget.place([WINDOW]):
            pass
        wire.refuse = 10_000
        wire.cut()
        asyncio.get_running_loop().call_later(1, budget.halt)
        with pytest.raises(Interrupted):
            async with asyncio.timeout(10), budget.place([WINDOW]):
                raise AssertionError("this call must not be sent")


async def test_the_wait_for_the_database_ends_in_an_error_that_says_so(far: tuple[Ledger, Wire]) -> None:
    ledger, wire = far
    with closing(LedgerSlots(ledger.database, "host", "run", at_most_s=1)) as slots:
        wire.refuse = 10_000
        wire.cut()
        with pytest.raises(LedgerError, match=r"did not answer for 1 s\. Nothing was sent without a slot"):
            async with CallBudget(slots).place([WINDOW]):
                raise AssertionError("this call must not be sent")


async def test_a_cancelled_call_gives_back_what_it_was_just_taking(shared: Ledger, slots: MakeSlots) -> None:
    own = slots()
    for _ in range(5):
        taking = asyncio.create_task(take(own))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    await take_all(own, 1)
    own.close()
    with shared.database.read() as connection:
        long_held = connection.exec_driver_sql(
            "SELECT count(*) FROM call_slots WHERE frees_at - taken_at > 310"
        ).scalar()
    assert long_held == 1

"""Slots in a file of this host: what `test_rate_limit.py` does not show of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem.carriers.host_slots import HostSlots, slots_file
from simtandem.carriers.rate_limit import LONGEST_CALL_S, Asked, Spacing, Taken, Window

WINDOW = Window("calls", 10, 300.0)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slots(tmp_path: Path, clock: Clock) -> Iterator[HostSlots]:
    made = HostSlots(slots_file(tmp_path, "host"), clock=clock)
    yield made
    made.close()


async def take(slots: HostSlots, *, urgent: bool = False) -> Taken | float:
    return await slots.take(Asked((WINDOW,), urgent=urgent), lambda: False)


async def test_an_urgent_call_gets_the_next_slot_and_not_all_of_them(slots: HostSlots, clock: Clock) -> None:
    for _ in range(10):
        assert isinstance(await take(slots), Taken)
    clock.now += LONGEST_CALL_S + 300
    clock.now -= 0.5
    assert isinstance(await take(slots, urgent=True), float), "it waits now"
    clock.now += 0.5
    order = ""
    for _ in range(5):
        for urgent, name in ((False, "b"), (True, "u")):
            order += name if isinstance(await take(slots, urgent=urgent), Taken) else ""
            slots._note_urgent(Asked((WINDOW,)), clock.now + 2, served=0)  # another one waits
    assert order.startswith("uuub")


async def test_who_no_longer_waits_keeps_nobody_from_it(slots: HostSlots, clock: Clock) -> None:
    for _ in range(10):
        await take(slots)
    await take(slots, urgent=True)
    clock.now += LONGEST_CALL_S + 300
    assert isinstance(await take(slots, urgent=True), Taken)
    assert isinstance(await take(slots), Taken)


async def test_a_place_takes_two_questions_and_a_note(slots: HostSlots) -> None:
    await take(slots)
    statements: list[str] = []
    slots._file.set_trace_callback(statements.append)
    assert isinstance(await take(slots), Taken)
    slots._file.set_trace_callback(None)
    assert [each.split()[0] for each in statements] == ["BEGIN", "SELECT", "SELECT", "INSERT", "COMMIT"]


async def test_a_gate_keeps_calls_of_its_spacing_and_one_for_all_keeps_everybody(slots: HostSlots) -> None:
    spaced = Asked((WINDOW,), Spacing("pages", 2.0))
    assert isinstance(await slots.take(spaced, lambda: False), Taken)
    assert await slots.take(spaced, lambda: False) == 2.0
    assert isinstance(await take(slots), Taken), "another kind of call"
    slots.pause(1.0)
    assert await take(slots) == 1.0
    slots.pause(5.0)
    assert await slots.take(spaced, lambda: False) == 5.0


async def test_some_are_left_to_urgent_calls(slots: HostSlots) -> None:
    window = Window("many", 100, 300.0)
    taken = [await slots.take(Asked((window,)), lambda: False) for _ in range(99)]
    assert [isinstance(each, Taken) for each in taken] == [True] * 98 + [False]
    assert isinstance(await slots.take(Asked((window,), urgent=True), lambda: False), Taken)


async def test_a_slot_that_freed_itself_meanwhile_is_not_confirmed(slots: HostSlots, clock: Clock) -> None:
    taken = await take(slots)
    assert isinstance(taken, Taken)
    clock.now += 100
    assert await slots.confirm(taken)
    clock.now += LONGEST_CALL_S + 299
    assert await slots.confirm(taken), "it was held anew"
    clock.now += LONGEST_CALL_S + 301
    assert not await slots.confirm(taken)


async def test_calls_that_the_carrier_counts_and_nobody_here_made_hold_slots_for_a_window(
    slots: HostSlots, clock: Clock
) -> None:
    await take(slots)
    await take(slots)
    taken = await take(slots)
    assert isinstance(taken, Taken)
    slots.others(taken, {"calls": 3})
    assert used(slots, clock) == 3, "all of them are ours"
    slots.others(taken, {"calls": 7, "another": 9})
    assert used(slots, clock) == 7
    slots.others(taken, {"calls": 7})
    slots.others(taken, {"calls": 5})
    assert used(slots, clock) == 7, "what is known already is not counted again"
    slots.others(taken, {"calls": 99})
    assert used(slots, clock) == 10
    assert isinstance(await take(slots), float)
    clock.now += 300
    assert used(slots, clock) == 3
    assert isinstance(await take(slots), Taken)


async def test_a_slot_that_was_freed_while_the_answer_came_is_no_other_users(slots: HostSlots, clock: Clock) -> None:
    first = await take(slots)
    assert isinstance(first, Taken)
    slots.release(first)
    clock.now += 299
    second = await take(slots)
    assert isinstance(second, Taken)
    clock.now += 2
    third = await take(slots)
    assert isinstance(third, Taken)
    slots.others(second, {"calls": 3})
    assert used(slots, clock) == 2, "the carrier counted the first one still when it counted the second"


def used(slots: HostSlots, clock: Clock) -> int:
    held = "SELECT count(*) FROM places WHERE frees_at > ?"
    return int(slots._file.execute(held, (clock.now,)).fetchone()[0])

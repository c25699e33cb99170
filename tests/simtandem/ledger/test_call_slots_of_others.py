"""Slots in PostgreSQL for calls that other users of the account make: the carrier counts them, and nobody here does."""

from simtandem.carriers.rate_limit import Asked, Taken, Window
from simtandem.ledger.call_slots import OTHERS, LedgerSlots, calls_left
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.test_call_slots import (
    WINDOW,
    MakeSlots,
    in_so_many_seconds,
    shared,
    slots,
    take,
    take_all,
)

__all__ = ["shared", "slots"]


async def test_calls_that_the_carrier_counts_and_nobody_here_made_hold_slots_for_a_window(
    slots: MakeSlots, shared: Ledger
) -> None:
    ours = slots()
    *_, taken = await take_all(ours, 3)
    ours.others(taken, {"calls": 3})
    assert await holders(ours, shared) == {"run": 3}
    ours.others(taken, {"calls": 7, "another": 9})
    ours.others(taken, {"calls": 7})
    assert await holders(ours, shared) == {"run": 3, OTHERS: 4}
    ours.others(taken, {"calls": 99})
    assert await holders(ours, shared) == {"run": 3, OTHERS: 7}
    assert isinstance(await take(slots()), float)
    in_so_many_seconds(shared, 300)
    assert await holders(ours, shared) == {"run": 3}
    assert isinstance(await take(slots()), Taken)


async def test_a_slot_that_was_freed_while_the_answer_came_is_no_other_users(slots: MakeSlots, shared: Ledger) -> None:
    ours, few = slots(), Window("calls", 3, 300.0)
    first, second = [await take(ours, few) for _ in range(2)]
    assert isinstance(first, Taken)
    assert isinstance(second, Taken)
    ours.release(first)
    assert await holders(ours, shared) == {"run": 2}
    with shared.database.write() as connection:
        connection.exec_driver_sql("UPDATE call_slots SET frees_at = extract(epoch from now()) WHERE number = 3")
    third, fourth = [await take(ours, few) for _ in range(2)]
    assert isinstance(third, Taken)
    assert isinstance(fourth, Taken), "in the slot of the first, which was held when the second was counted"
    assert isinstance(await take(ours, few), float)
    ours.release(third)
    with shared.database.write() as connection:
        connection.exec_driver_sql("UPDATE call_slots SET frees_at = extract(epoch from now()) WHERE number = 1")
    ours.others(second, {"calls": 4})
    assert await holders(ours, shared) == {"run": 2}


async def holders(slots: LedgerSlots, ledger: Ledger) -> dict[str, int]:
    """Who holds how many slots, once these have done what they were asked for."""
    await slots.confirm(Taken(Asked(()), (), 0.0))
    left = calls_left(ledger.database, "host", WINDOW)
    assert left is not None
    return dict(left.holders)

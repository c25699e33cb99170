"""Which run may change which device now, and the turn of what an account does one at a time.

What two runs must not do at once is change the same device. So a run claims the devices of a batch, all of them or
none, before it sends the first call, and releases them when the batch has ended. A claim is as good as its lease
(`leases`). Claims are counted, account by account: a device whose count is higher than that of a listing was in
another run's hands since, and is read again. No clock is asked for that.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import polars as pl
from sqlalchemy import Connection, and_, case, func, select, text, update

from simtandem import progress
from simtandem.carriers.sharing import given_up_waiting
from simtandem.ledger.column_reader import read_columns
from simtandem.ledger.database import Database
from simtandem.ledger.leases import Holder, Lease, end_if_dead, next_turn
from simtandem.ledger.sharing_tables import claim_turns, claims, leases
from simtandem.ledger.tables import outcomes, plan_rows

_CHUNK = 5000
_LOOK_S = 0.1
_ENDPOINT_WRITES = "endpoint writes"
_CLOCKS_DIFFER_S = 3600.0
SENT = pl.Schema(dict.fromkeys(("half", "ident", "status", "run_id", "outcome"), pl.String()))
"""Halves that runs sent: where to, by which run, and how that ended."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Blocked:
    """Devices that others have: whose, and how many.

    `landing`: that run has ended, and for so many seconds its last calls may still be under way; 0: it has not ended.
    """

    by: Holder
    devices: int
    landing: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """Devices that are this run's since that count, `turn`.

    `before` says of those that were someone's before: the run, count and lease.
    """

    turn: int
    before: Mapping[str, tuple[str, int, str | None]]

    def touched(self, run_id: str, mine: Collection[str], since: Callable[[str], int]) -> set[str]:
        """The devices that another run, or another process of this one, has had since that count of each.

        `mine` are the leases of this process. What it had claimed with one that was lost, and nobody claimed since, is
        as it left it.
        """
        return {
            device
            for device, (run, turn, lease) in self.before.items()
            if not (run == run_id and (lease is None or lease in mine)) and (turn > since(device) or lease is not None)
        }


class LeaseLost(Exception):
    """The run's own lease is another's now: nothing is claimed with it."""


def current_turn(database: Database, account: str) -> int:
    """How often claims of this account have changed. What is read from now on shows what ended before."""
    query = select(claim_turns.c.turn).where(claim_turns.c.account == account)
    return database.reading(lambda connection: int(connection.scalar(query) or 0))


def claim(database: Database, lease: Lease, devices: Collection[str]) -> Claimed | Blocked:
    """Claim these devices, all or none. Raises `LeaseLost` and `LedgerError`."""
    seen: dict[str, tuple[str, int, str | None]] | None = None

    def attempt(connection: Connection) -> Claimed | Blocked:
        nonlocal seen
        turn = next_turn(connection, lease.account)
        if not lease.require(connection):
            raise LeaseLost
        found = _read(connection, lease.account, devices)
        before = found if seen is None else _as_seen(seen, found, lease.lease_id)
        if blocked := _blocked(database, connection, before.values(), lease.mine):
            return blocked
        seen = before
        _write(connection, lease, devices, turn)
        return Claimed(turn, before)

    return database.writing(attempt)


def release(database: Database, lease: Lease, devices: Collection[str]) -> None:
    """Release these devices, as far as they are claimed with this lease."""
    mine = update(claims).where(claims.c.account == lease.account, claims.c.lease_id == lease.lease_id)

    def attempt(connection: Connection) -> None:
        turn = next_turn(connection, lease.account)
        for some in _chunks(devices):
            connection.execute(mine.where(claims.c.device.in_(some)).values(lease_id=None, turn=turn))

    database.writing(attempt)


def changed_hands(database: Database, lease: Lease, since: int) -> set[str]:
    """The devices that other runs have had since that count. Those that others have now are not among them."""
    late = (claims.c.turn > since) | claims.c.lease_id.is_not(None)
    query = select(claims.c.device, claims.c.lease_id).where(
        claims.c.account == lease.account, late, claims.c.run_id != lease.run_id
    )

    def attempt(connection: Connection) -> set[str]:
        found = connection.execute(query).all()
        held = {each: end_if_dead(database, connection, each) for each in {row.lease_id for row in found} - {None}}
        return {row.device for row in found if not held.get(row.lease_id)} - {_ENDPOINT_WRITES}

    return database.writing(attempt)


def sent_since(database: Database, account: str, run_id: str, turn: int) -> pl.DataFrame:
    """What this run and others sent of an account's devices under a later count than that (`SENT`), oldest first.

    It says of every half how it ended last, as far as it was or may have been changed. No clock decides which run was
    the later one: by when leases ended, only runs that were over before are left out.
    """
    mine = select(func.min(leases.c.began_at)).where(leases.c.run_id == run_id).scalar_subquery()
    meanwhile = leases.c.ended_at.is_(None) | (leases.c.ended_at >= mine - _CLOCKS_DIFFER_S)
    theirs = select(leases.c.run_id).where(leases.c.account == account, meanwhile)
    last = (
        select(func.max(outcomes.c.seq))
        .where(outcomes.c.run_id.in_(theirs), outcomes.c.turn > turn)
        .group_by(outcomes.c.run_id, outcomes.c.row, outcomes.c.half)
    )
    sent = ("applied", "unknown", "accepted")
    of_row = and_(plan_rows.c.run_id == outcomes.c.run_id, plan_rows.c.row == outcomes.c.row)
    of_sim = outcomes.c.half == "sim"
    query = (
        select(
            outcomes.c.half,
            case((of_sim, plan_rows.c.sim_id), else_=plan_rows.c.endpoint_id).label("ident"),
            case((of_sim, plan_rows.c.sim_after), else_=plan_rows.c.endpoint_after).label("status"),
            outcomes.c.run_id,
            outcomes.c.outcome,
        )
        .select_from(outcomes.join(plan_rows, of_row))
        .where(outcomes.c.seq.in_(last), outcomes.c.outcome.in_(sent))
        .order_by(outcomes.c.turn, outcomes.c.seq)
    )
    return database.reading(lambda connection: read_columns(connection, query, SENT))


def overlap(database: Database, run_id: str, other: str) -> tuple[int, int]:
    """How many of a run's changes are of devices that another run's plan changes as well, and how many it has."""
    mine, theirs = plan_rows.alias(), plan_rows.alias()
    of_theirs = select(theirs.c.sim_id).where(theirs.c.run_id == other, theirs.c.action == "change")
    query = select(func.count(case((mine.c.sim_id.in_(of_theirs), 1))), func.count()).where(
        mine.c.run_id == run_id, mine.c.action == "change"
    )
    both, all_of_them = database.reading(lambda connection: connection.execute(query).one())
    return both, all_of_them


@asynccontextmanager
async def endpoint_turn(database: Database, lease: Lease, given_up: Callable[[], bool]) -> AsyncIterator[None]:
    """In this block no other run, on any host, changes endpoints of this account. Raises `Interrupted`.

    A turn that was lost meanwhile is no danger: without its lease no call gets a slot.
    """
    mine, told = [_ENDPOINT_WRITES], False
    while not given_up():
        try:
            found = await asyncio.to_thread(claim, database, lease, mine)
        except LeaseLost:
            break  # the next slot is refused, which says so
        if isinstance(found, Claimed):
            break
        if found.landing and not told:
            told = True
            progress.current().message(waits_for_landing(found))
        await asyncio.sleep(_LOOK_S)
    else:
        raise given_up_waiting()
    try:
        yield
    finally:
        await asyncio.shield(asyncio.to_thread(release, database, lease, mine))


def waits_for_landing(blocked: Blocked) -> str:
    """What is said while a dead run's calls may be under way, with the time that is left."""
    return (
        f"Run {blocked.by.run_id} ended while calls were on their way, which the carrier may still carry out; "
        f"waiting for them, {math.ceil(blocked.landing)} s at most."
    )


def _read(connection: Connection, account: str, devices: Collection[str]) -> dict[str, tuple[str, int, str | None]]:
    columns = (claims.c.device, claims.c.run_id, claims.c.turn, claims.c.lease_id)
    found = {}
    for some in _chunks(devices):
        query = select(*columns).where(claims.c.account == account, claims.c.device.in_(some))
        found.update({row.device: (row.run_id, row.turn, row.lease_id) for row in connection.execute(query)})
    return found


def _as_seen(
    seen: dict[str, tuple[str, int, str | None]], found: dict[str, tuple[str, int, str | None]], own: str
) -> dict[str, tuple[str, int, str | None]]:
    """Who had them before this run claimed them, where that was done at an attempt whose answer was lost."""
    others = {device: was for device, was in found.items() if was[2] != own}
    return others | {device: was for device, was in seen.items() if device in found.keys() - others.keys()}


def _blocked(
    database: Database, connection: Connection, before: Iterable[tuple[str, int, str | None]], mine: Collection[str]
) -> Blocked | None:
    """Who else has some of them; of several, one. What a dead run has is free."""
    theirs = [lease for _, _, lease in before if lease is not None and lease not in mine]
    for lease_id in dict.fromkeys(theirs):
        if lease_id is not None and (found := end_if_dead(database, connection, lease_id)):
            holder, landing = found
            return Blocked(holder, theirs.count(lease_id), landing)
    return None


_CLAIM = text(
    "INSERT INTO claims (account, device, lease_id, run_id, turn) "
    "VALUES (:account, :device, :lease_id, :run_id, :turn) "
    "ON CONFLICT (account, device) DO UPDATE SET lease_id = excluded.lease_id, run_id = excluded.run_id, "
    "turn = excluded.turn"
)


def _write(connection: Connection, lease: Lease, devices: Collection[str], turn: int) -> None:
    same = {"account": lease.account, "lease_id": lease.lease_id, "run_id": lease.run_id, "turn": turn}
    if devices:
        connection.execute(_CLAIM, [{**same, "device": device} for device in devices])


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, _CHUNK)):
        yield some

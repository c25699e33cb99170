"""What a run claims before it sends, batch by batch, and which of its devices it reads again because others had them.

Runs on different devices send side by side; the rate limit is shared fairly. A run whose devices are mostly those of
another one that is sending waits for its end instead of following it batch by batch.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import TypeVar

import polars as pl

from schemas.statuses import Half
from simtandem import progress
from simtandem.domain.safety import costly
from simtandem.ledger import claims, leases
from simtandem.ledger.claims import Blocked, Claimed, LeaseLost
from simtandem.ledger.leases import Holder
from simtandem.runs.batch import BatchWork
from simtandem.runs.fresh_look import End, FreshLook
from simtandem.runs.run import Run
from simtandem.runs.takeover import require_own

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_LOOK_S = 0.5
_CHANGED = (
    "Another run has changed some of these devices since this one was planned, or was killed while it had them; "
    "reading them again."
)
_ANEW = (
    "This run could not renew its lease in time; it claims its devices again, and reads those that another run has had."
)


class DeviceClaims:
    """The claims of one run. `given_up` says that nothing more is to be sent: then nothing is waited for."""

    def __init__(self, run: Run, given_up: Callable[[], bool]) -> None:
        self._run, self._given_up = run, given_up
        self._database, self._lease = run.ledger.database, run.lease
        listed = run.folder.listing().get("turn")
        self._listed = -1 if listed is None else listed
        self._read_at: dict[str, int] = {}
        self._held: dict[int, list[str]] = {}
        self._turns: dict[int, int] = {}
        self.looked = self._listed
        """The count before the last look at all that others have had."""
        self._to_read: dict[int, list[int]] = {}
        self._beginning = asyncio.Lock()
        self._told: set[Hashable] = set()

    async def begin(self) -> None:
        """Begin to send: behind an earlier run, which is not less urgent, that changes most of these devices."""
        me = await asyncio.to_thread(self._lease.begin)
        known: dict[str, bool] = {}
        while not self._given_up():
            others = await asyncio.to_thread(leases.held, self._database, self._lease.account)
            first = [each for each in others if _goes_before(each, me)]
            for each in first:
                if each.lease_id not in known:
                    known[each.lease_id] = await asyncio.to_thread(self._follows, each)
            if not any(known[each.lease_id] for each in first):
                return
            self._tell(f"Another run is changing devices of {self._run.settings.account_key}; waiting for its end.")
            await asyncio.sleep(_LOOK_S)

    def _follows(self, other: Holder) -> bool:
        both, all_of_them = claims.overlap(self._database, self._run.run_id, other.run_id)
        return 2 * both > all_of_them

    async def end(self) -> None:
        """Release everything."""
        self._held.clear()
        self._to_read.clear()
        await asyncio.shield(asyncio.to_thread(self._lease.end))

    async def changed_hands(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of these plan rows whose devices other runs have had since the listing. They are about to be read."""
        turn = await asyncio.to_thread(claims.current_turn, self._database, self._lease.account)
        devices = await asyncio.to_thread(claims.changed_hands, self._database, self._lease, self._listed)
        theirs = rows if self._listed < 0 else _of(rows, devices)
        self._read_at.update(dict.fromkeys(_devices(theirs), turn))
        self.looked = turn
        if theirs.height:
            self._tell(_CHANGED)
        return theirs

    def holds(self, batch: int) -> bool:
        """Whether the devices of a batch are this run's, as far as it knows."""
        return batch in self._held and not self._lease.lost

    def turn(self, batch: int) -> int | None:
        """The count of the claim that a batch's devices are this run's by; None where they are not."""
        return self._turns[batch] if self.holds(batch) else None

    async def have(self, work: BatchWork, half: Half, look: FreshLook, end: End) -> None:
        """Have the batch's devices to this run alone; what others had meanwhile is read again, which raises."""
        number = work.batch.number
        if not self.holds(number):
            if (theirs := await self.take(number, work.batch.rows)) is None:
                return
            unread = self._to_read.get(number, [])  # another lease was lost before these were read
            self._to_read[number] = [*{*unread, *theirs["row"].to_list()}]
        if rows := self._to_read.get(number):
            await look.again(work, half, rows, end)
        self._to_read.pop(number, None)

    async def take(self, batch: int, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Claim the devices of a batch; returns the rows to be read again first. None: given up instead.

        What another run has is waited for. A lease that was lost is begun anew.
        """
        devices = _devices(rows)
        while not self._given_up():
            await self._begin_anew()
            try:
                found = await self._patiently(lambda: claims.claim(self._database, self._lease, devices))
            except LeaseLost:
                continue
            if found is None:
                return None
            if isinstance(found, Claimed):
                self._held[batch], self._turns[batch] = devices, found.turn
                return self._touched(rows, found)
            self._tell(_waits_for(found), once=(found.by.lease_id, bool(found.landing)))
            await asyncio.sleep(_LOOK_S)
        return None

    async def release(self, batch: int) -> None:
        """The batch has ended: its devices are anybody's."""
        self._to_read.pop(batch, None)
        devices = self._held.pop(batch, [])
        if devices and not self._lease.lost:
            await asyncio.to_thread(claims.release, self._database, self._lease, devices)

    def _touched(self, rows: pl.DataFrame, claimed: Claimed) -> pl.DataFrame:
        since = self._read_at
        lease = self._lease
        touched = claimed.touched(lease.run_id, lease.mine, lambda device: since.get(device, self._listed))
        theirs = rows if self._listed < 0 and not since else _of(rows, touched)
        if theirs.height:
            self._tell(_CHANGED)
        return theirs

    async def _begin_anew(self) -> None:
        async with self._beginning:
            if self._lease.lost:
                await asyncio.to_thread(require_own, self._run)
                self._held.clear()
                _say(_ANEW)
            if self._lease.lost or not self._lease.lease_id:
                await asyncio.to_thread(self._lease.begin)

    async def _patiently(self, work: Callable[[], Result]) -> Result | None:
        """What `work` returns in a thread; None where nothing is to be sent any more before it does."""
        working = asyncio.ensure_future(asyncio.to_thread(work))
        while not (await asyncio.wait({working}, timeout=_LOOK_S))[0]:
            if self._given_up():
                working.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                return None
        return working.result()

    def _tell(self, sentence: str, *, once: Hashable = None) -> None:
        """Say it, unless it was said before, or something else of what is said `once`."""
        if (once or sentence) not in self._told:
            self._told.add(once or sentence)
            _say(sentence)


async def to_read_first(plan: pl.DataFrame, claimed: DeviceClaims, look: FreshLook) -> pl.DataFrame:
    """Those of these changes to be read again before the first is sent.

    They are those whose devices other runs have had since the listing, and those that an old look is not good enough
    for, if they can all be sent before this one is old. Where they can't, each batch looks for itself.
    """
    theirs = await claimed.changed_hands(plan)
    rows = costly(plan, look.lifecycle)
    if not look.stale(look.listed) or look.pace.at_once(rows.height) < rows.height:
        return theirs
    if rows.height and theirs.is_empty():
        _say("Time has passed since the devices were listed; reading those again that must not have moved.")
    return plan.filter(pl.col("row").is_in(pl.concat([theirs["row"], rows["row"]]).implode()))


def _say(sentence: str) -> None:
    log.info(sentence)
    progress.current().message(sentence)


def _goes_before(other: Holder, me: Holder) -> bool:
    earlier = (other.began_at, other.lease_id) < (me.began_at, me.lease_id)
    return other.lease_id != me.lease_id and (earlier if other.urgent == me.urgent else other.urgent)


def _waits_for(blocked: Blocked) -> str:
    if blocked.landing:
        return claims.waits_for_landing(blocked)
    return f"Run {blocked.by.run_id} on {blocked.by.host} is changing some of these devices; waiting for it."


def _devices(rows: pl.DataFrame) -> list[str]:
    """The devices of plan rows, as claims name them: both halves."""
    named = [f"{half} {ident}" for half in Half for ident in rows[f"{half}_id"].drop_nulls().unique()]
    return sorted(named)


def _of(rows: pl.DataFrame, devices: set[str]) -> pl.DataFrame:
    return rows.filter(pl.any_horizontal(pl.format(f"{half} {{}}", f"{half}_id").is_in(list(devices)) for half in Half))

"""The newest event of each of some SIMs, with few calls, however many events there are.

The log is read from its newest end, a slice at a time: most SIMs of a busy fleet show in the newest slices, and are
not asked for again. As soon as asking for the SIMs that are left, six at a time, costs fewer calls than the rest of the
window, that is done instead. No order of the answers is relied on: a slice ends where the one before it began. Each
slice is twice as long as the one before, so looking where to cut costs little.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from simtandem.carriers.concurrency import together
from simtandem.carriers.emnify.events import AT_ONCE, EVENTS, from_event, window
from simtandem.carriers.emnify.item_mapping import Item
from simtandem.carriers.emnify.paging import Page, read_page, read_page_filtered, read_rest
from simtandem.carriers.emnify.transport import Transport
from simtandem.errors import InputError
from simtandem.selection.expressions import MOMENT

MOST_CALLS = 2000
"""So many calls for one selection at most: what the carrier's limit gives in five minutes."""

_SLICE = 20
_SHORTEST = timedelta(minutes=1)
_SCHEMA = pl.Schema({"event_id": pl.String(), "last_event": MOMENT, "sim_id": pl.String(), "iccid": pl.String()})
_NEWEST = pl.Schema({"sim_id": pl.String(), "last_event": MOMENT})
_AT, _SIM, _ICCID = 1, 7, 8


def _row(item: Item) -> tuple[object, ...]:
    event = from_event(item)
    return event[0], event[_AT], event[_SIM], event[_ICCID]


def _table(rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=_SCHEMA, orient="row")


_ROUTE = replace(EVENTS, row=_row, table=_table)


@dataclass(slots=True)
class LastEvents:
    """Reads the log from `since` until `until`. Afterwards `calls` were made, and `complete` says whether they agree.

    `sims` are the ICCIDs of the SIMs by their ids.
    """

    transport: Transport
    since: datetime
    until: datetime
    sims: dict[str, str | None]
    most: int = MOST_CALLS
    calls: int = 0
    complete: bool = True
    _found: dict[str, datetime] = field(default_factory=dict)

    async def read(self) -> pl.DataFrame:
        """`sim_id` and `last_event` of the SIMs that have one. Raises `InputError` where it takes too many calls."""
        by_sim = None not in self.sims.values()
        sims, until, pages = [*self.sims], self.until, _SLICE
        while sims and self.since < until:
            first = await self._first(self.since, until)
            if by_sim and math.ceil(len(sims) / AT_ONCE) < (first.pages or 1) - 1:
                by_sim = await self._each(sims, until)
                sims = [] if by_sim else sims
            else:
                until = await self._slice(first, until, pages)
                pages *= 2
                sims = [each for each in sims if each not in self._found]
        return pl.DataFrame([*self._found.items()], _NEWEST, orient="row")

    async def _each(self, sims: list[str], until: datetime) -> bool:
        """What is left of the window, of six SIMs at a time. False where the carrier does not filter by them."""
        sixes = [sims[start : start + AT_ONCE] for start in range(0, len(sims), AT_ONCE)]
        return all(await together(sixes, partial(self._of_some, until)))

    async def _of_some(self, until: datetime, sims: list[str]) -> bool:
        pages = 1
        while self.since < until and (left := [each for each in sims if each not in self._found]):
            only = f",iccid:{'|'.join(str(self.sims[each]) for each in left)}"
            self._count(1)
            first = await read_page_filtered(self.transport, _ROUTE, window(self.since, until) + only)
            if first is None:
                return False
            until = await self._slice(first, until, pages, only)
            pages *= 2
        return True

    async def _slice(self, first: Page, until: datetime, pages: int, only: str = "") -> datetime:
        """Read about so many pages at the window's newest end, or all of it; returns where that slice begins.

        `first` is the first page of the whole window.
        """
        share = (until - self.since) / (first.pages or 1) * pages
        start = until - share if until - share > self.since and share > _SHORTEST else self.since
        if start != self.since:
            first = await self._first(start, until, only)
        self._count((first.pages or 1) - 1)
        reading = await read_rest(self.transport, replace(_ROUTE, q=window(start, until) + only), first)
        self._count(0 if first.pages else reading.rows.height // _ROUTE.per_page)
        self.complete &= reading.complete
        self._note(reading.rows.with_columns(pl.col("last_event").fill_null(start)))
        return start

    async def _first(self, since: datetime, until: datetime, only: str = "") -> Page:
        self._count(1)
        return await read_page(self.transport, _ROUTE, 1, window(since, until) + only)

    def _note(self, events: pl.DataFrame) -> None:
        ids = pl.DataFrame([*self.sims.items()], {"known_id": pl.String, "iccid": pl.String}, orient="row")
        named = events.join(ids.drop_nulls().unique("iccid"), on="iccid", how="left")
        newest = named.group_by(pl.coalesce("sim_id", "known_id").alias("sim_id")).agg(pl.col("last_event").max())
        for sim, at in newest.filter(pl.col("sim_id").is_in(list(self.sims))).iter_rows():
            self._found[sim] = max(at, self._found.get(sim, at))

    def _count(self, more: int) -> None:
        self.calls += more
        if self.calls > self.most:
            raise InputError(
                f"The event log since {self.since:%Y-%m-%d %H:%M} UTC needs more than {self.most:,} calls, which "
                "is the limit of a selection. Nothing was sent.\nAsk for a later moment, or for fewer devices: add "
                "what else holds of them, such as tag = 'depot-7'."
            )

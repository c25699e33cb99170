"""Selecting from the whole fleet, page by page: of each device only its row, and what holds of it, is kept.

The endpoint listing alone is read where it shows all fields of the selection and no SIM without an endpoint can be
meant. Otherwise both are read, side by side. What the two disagree about, since the fleet changed meanwhile, is looked
up, and never selected by half of its fields. The event log is read for those SIMs alone about which all else leaves
the question open.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import polars as pl

from schemas.statuses import SimStatus
from schemas.tables import Inventory, empty
from simtandem import progress
from simtandem.carriers.concurrency import together
from simtandem.carriers.emnify.last_events import LastEvents
from simtandem.carriers.emnify.listed_fields import LAST_EVENT, ON_ENDPOINTS, ON_SIMS, Judging
from simtandem.carriers.emnify.paging import ENDPOINTS, SIMS, Reading, Route, read_item, read_page, read_rest
from simtandem.carriers.emnify.transport import Transport
from simtandem.carriers.protocol import Listing, LogRead, Selected
from simtandem.domain.attribution import CLOCK_SKEW
from simtandem.host import clock
from simtandem.selection.selection import Selection
from simtandem.text.formats import of

log = logging.getLogger(__name__)

_INVENTORY = empty(Inventory).columns
_MOST_LOOKED_UP = 500
_SELECTED = "selected"


@dataclass(frozen=True, slots=True)
class _Fleet:
    """Both listings, with what holds of each row by the fields that it shows. `sims` is None where it is not needed.

    `pages` and `pages_s`: as `Listing` has them.
    """

    endpoints: Reading
    pages: int | None
    pages_s: float
    sims: Reading | None


class FleetSelection:
    """One selection at this carrier."""

    def __init__(self, transport: Transport, selection: Selection) -> None:
        self._transport = transport
        self._selection = selection
        names = [each.name for each in selection.fields]
        self._on_pairs = selection.columns([name for name in names if name in ON_ENDPOINTS])
        self._beside = [name for name in names if name not in ON_ENDPOINTS | {LAST_EVENT}]
        self._no_endpoint = selection.of_nothing([name for name in names if name not in ON_SIMS | {LAST_EVENT}])
        self._endpoint_items = Judging(selection, endpoints=True)
        self._sim_items = Judging(selection, endpoints=False)

    async def select(self) -> Selected:
        """See `simtandem.carriers.protocol.SelectingCarrier.select`."""
        fleet = await self._read()
        pairs, lone, undecided = await self._joined(fleet)
        rows, log = await self._with_events(pl.concat([pairs, lone.select(pairs.columns)]))
        rows = self._decided(rows)
        inventory = rows.select(_INVENTORY)
        whole = fleet.sims is not None and fleet.sims.complete and fleet.endpoints.complete and not undecided
        activated = inventory.filter(pl.col("sim_status") == SimStatus.ACTIVATED)["sim_id"].n_unique()
        listing = Listing(
            inventory,
            whole=whole,
            sims=inventory["sim_id"].drop_nulls().n_unique(),
            activated=activated,
            pages=fleet.pages,
            pages_s=fleet.pages_s,
        )
        found = rows.filter(pl.col(_SELECTED)).select("sim_id", "iccid", "endpoint_id")
        complete = fleet.endpoints.complete and (fleet.sims is None or fleet.sims.complete)
        return Selected(listing, found, listed=rows.height, undecided=undecided, complete=complete, log=log)

    async def _read(self) -> _Fleet:
        routes = [replace(ENDPOINTS, row=self._endpoint_items.row, table=self._endpoint_items.table)]
        if self._beside or self._selection.may_select(self._no_endpoint):
            routes.append(replace(SIMS, row=self._sim_items.row, table=self._sim_items.table))
        (endpoints, pages, pages_s), *others = await together(routes, self._read_one)
        return _Fleet(endpoints, pages, pages_s, others[0][0] if others else None)

    async def _read_one(self, route: Route) -> tuple[Reading, int | None, float]:
        begun = clock.steady()
        first = await read_page(self._transport, route, 1)
        reading = await read_rest(self._transport, route, first)
        return reading, first.pages, clock.steady() - begun

    async def _joined(self, fleet: _Fleet) -> tuple[pl.DataFrame, pl.DataFrame, int]:
        """Pairs, and SIMs without an endpoint, each with what holds of them; and how many can't be decided."""
        pairs = fleet.endpoints.rows
        if fleet.sims is None:
            return pairs, pairs.clear(), 0
        sims = fleet.sims.rows
        lone = sims.join(pairs.filter(pl.col("sim_id").is_not_null()), on="sim_id", how="anti")
        pairs, lone, unseen = await self._with_moved(pairs, lone)
        pairs, unknown = await self._with_sims(pairs, sims)
        return pairs, self._without_endpoint(lone), unseen + unknown

    async def _with_events(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, LogRead | None]:
        """What holds of the last event, where the rest of the selection leaves that open."""
        since = self._selection.earliest()
        if since is None:
            return rows, None
        columns = self._selection.columns([LAST_EVENT])
        unasked = rows.with_columns(pl.lit(None, pl.Boolean).alias(name) for name in columns)
        open_ = unasked.filter(self._selection.selects().is_null() & pl.col("sim_id").is_not_null())
        sims = dict(open_.select("sim_id", "iccid").iter_rows())
        if sims:
            progress.current().message(
                f"Reading the event log back to {since:%Y-%m-%d %H:%M} UTC, for {of(len(sims), 'SIM')}."
            )
        log = LastEvents(self._transport, since, clock.now() + CLOCK_SKEW, sims)
        heard = rows.select("sim_id").join(await log.read(), on="sim_id", how="left", maintain_order="left")
        judged = heard.select(self._selection.judged([LAST_EVENT])).get_columns()
        return rows.with_columns(judged), LogRead(since, len(sims), log.calls, log.complete)

    def _without_endpoint(self, sims: pl.DataFrame) -> pl.DataFrame:
        return _with(sims, self._no_endpoint)

    async def _with_moved(self, pairs: pl.DataFrame, lone: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
        """SIMs that name an endpoint which no listing showed with them are looked up, where those are few."""
        moved = lone.filter(pl.col("endpoint_id").is_not_null())
        lone = lone.filter(pl.col("endpoint_id").is_null())
        if moved.height > _MOST_LOOKED_UP:
            return pairs, lone, moved.height
        items = await together(moved["endpoint_id"].to_list(), partial(self._item, ENDPOINTS, "endpoint"))
        found = self._endpoint_items.table(self._endpoint_items.row(item) for item in items if item)
        pairs = pl.concat([pairs.join(found, on="endpoint_id", how="anti"), found])
        without = moved.join(found.filter(pl.col("sim_id").is_not_null()), on="sim_id", how="anti")
        return pairs, pl.concat([lone, without.with_columns(endpoint_id=pl.lit(None, pl.String))]), 0

    async def _with_sims(self, pairs: pl.DataFrame, sims: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Pairs with what holds of the fields that only the SIM listing shows."""
        columns = self._selection.columns(self._beside)
        if not columns:
            return pairs, 0
        alone = _with(pairs.filter(pl.col("sim_id").is_null()), self._selection.of_nothing(self._beside))
        paired = pairs.filter(pl.col("sim_id").is_not_null())
        unseen = paired.join(sims, on="sim_id", how="anti")
        if 0 < unseen.height <= _MOST_LOOKED_UP:
            items = await together(unseen["sim_id"].to_list(), partial(self._item, SIMS, "sim"))
            sims = pl.concat([sims, self._sim_items.table(self._sim_items.row(item) for item in items if item)])
        known = paired.join(sims.select("sim_id", *columns), on="sim_id", how="left", maintain_order="left")
        left = known[columns[0]].null_count()
        return pl.concat([known, alone.select(known.columns)]), left

    async def _item(self, route: Route, what: str, ident: str) -> Mapping[str, object] | None:
        return await read_item(self._transport, f"{route.path}/{ident}", what)

    def _decided(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What is not known of a row does not select it."""
        return rows.select(*_INVENTORY, self._selection.selects().fill_null(value=False).alias(_SELECTED))


def _with(rows: pl.DataFrame, known: Mapping[str, bool]) -> pl.DataFrame:
    return rows.with_columns(pl.lit(value).alias(name) for name, value in known.items())

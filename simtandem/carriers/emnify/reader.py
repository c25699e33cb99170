"""Reading devices at emnify with the fewest calls: by listing or by id, whichever costs less.

The endpoint listing shows both halves of every pair, so it alone answers for most fleets. The SIM listing is read only
for rows the first left open: SIMs without an endpoint, or ids that don't exist. A listing of several pages can miss an
item that moved across a page's edge while another kept the count, so what it does not show is looked up by id, too,
where that costs less than the listing did.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from schemas.organisations import OwnerField
from schemas.statuses import SimStatus
from simtandem.carriers.concurrency import together
from simtandem.carriers.emnify.item_mapping import Item, Row, from_endpoint, from_sim, table
from simtandem.carriers.emnify.lifecycle import SIM_STATUS_IDS
from simtandem.carriers.emnify.owners import owners_of, read_owners
from simtandem.carriers.emnify.paging import (
    ENDPOINTS,
    PAGES_AT_ONCE,
    SIMS,
    Page,
    Route,
    note_statuses,
    read_item,
    read_page,
    read_page_filtered,
    read_rest,
)
from simtandem.carriers.emnify.transport import Transport
from simtandem.carriers.protocol import Listing
from simtandem.errors import CarrierRefused
from simtandem.host import clock as clocks

log = logging.getLogger(__name__)

_KEYS = ("sim_id", "endpoint_id", "iccid")
_NAMES_ENDPOINT = pl.col("endpoint_id").is_not_null()
_NAMES_SIM = pl.col("sim_id").is_not_null() | pl.col("iccid").is_not_null()


@dataclass(frozen=True, slots=True)
class SimNow:
    """A SIM read back: `status` is None where it is none that is known, or the SIM is not `there` any more."""

    status: SimStatus | None
    owners: Mapping[OwnerField, str]
    there: bool


class Reader:
    """Reads devices. Remembers how many endpoints the fleet had, to choose well the next time.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, transport: Transport, at_once: int, *, clock: Callable[[], float] = clocks.steady) -> None:
        self._clock = clock
        self._transport = transport
        self._at_once = asyncio.Semaphore(at_once)
        self._endpoint_pages: int | None = None
        self._pages_s: float | None = None
        self._all_sims: pl.DataFrame | None = None  # where a filter by ICCID is not honoured
        self._one_listing = asyncio.Lock()
        self._refused: dict[tuple[str, str], str] = {}
        """Why the carrier refused to show a device, by the kind of id and the id."""

    async def find(self, devices: pl.DataFrame) -> Listing:
        """Read the devices asked for. See `simtandem.carriers.protocol.Carrier.find`."""
        if _cost_by_id(devices) <= 2:
            return self._listing(await self._by_id(devices))
        begun = self._clock()
        first = await self._first_endpoints()
        left = _open(devices, first.rows)
        if _cost_by_id(left) < (first.pages or 1) - 1:
            return self._listing(_join(first.rows, await self._by_id(left)))
        endpoints = await read_rest(
            self._transport, ENDPOINTS, first, lambda rows: _cost_by_id(_open(devices, rows).filter(_NAMES_ENDPOINT))
        )
        self._pages_s = self._clock() - begun
        inventory, whole = await self._add_sims(_open(devices, endpoints.rows).filter(_NAMES_SIM), endpoints.rows)
        left = _open(devices, inventory)
        if _cost_by_id(left) >= (first.pages or 1):
            left = left.filter(pl.lit(not endpoints.complete) | (_NAMES_SIM & (not whole)))
        inventory = _join(inventory, await self._by_id(left))
        activated = inventory.filter(pl.col("sim_status") == SimStatus.ACTIVATED)["sim_id"].n_unique()
        sims = inventory["sim_id"].drop_nulls().n_unique()
        return self._listing(inventory, whole=whole and endpoints.complete, sims=sims, activated=activated)

    def _listing(
        self, inventory: pl.DataFrame, *, whole: bool = False, sims: int | None = None, activated: int | None = None
    ) -> Listing:
        return Listing(
            inventory,
            whole=whole,
            sims=sims,
            activated=activated,
            refused={**self.unknown_statuses(), **self._refused},
            pages=self._endpoint_pages,
            pages_s=self._pages_s,
        )

    def note_pages(self, pages: int | None) -> None:
        """So many pages the endpoint listing had when it was read just now."""
        self._endpoint_pages = pages

    def unknown_statuses(self) -> dict[tuple[str, str], str]:
        """What to say of the halves that were listed in a status that is not known, by the kind of id and the id."""
        return {
            (kind, ident): f"the carrier shows {kind.removesuffix('_id')} {ident} in a status that simtandem does not "
            f"know: {shown}"
            for (kind, ident), shown in self._transport.unknown_statuses.items()
        }

    async def _add_sims(self, asked: pl.DataFrame, inventory: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
        """Add the SIMs asked for that a listing can show; says too whether all SIMs there are have been seen."""
        if _cost_by_id(asked) <= 2:
            return inventory, False
        first = await read_page(self._transport, SIMS, 1)
        if _cost_by_id(_open(asked, _join(inventory, first.rows))) < (first.pages or 1) - 1:
            return _join(inventory, await self._whole_pairs(first.rows, asked)), False
        sims = await read_rest(
            self._transport, SIMS, first, lambda rows: _cost_by_id(_open(asked, _join(inventory, rows)))
        )
        return _join(inventory, await self._whole_pairs(sims.rows, asked)), sims.complete

    async def _whole_pairs(self, sims: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
        """SIM rows; where one that was asked for names an endpoint no listing showed, the endpoint is read by id."""
        wanted = pl.col("sim_id").is_in(asked["sim_id"].drop_nulls().implode()) | pl.col("iccid").is_in(
            asked["iccid"].drop_nulls().implode()
        )
        return _join(await self._with_endpoints(sims.filter(wanted)), sims)

    async def _with_endpoints(self, sims: pl.DataFrame) -> pl.DataFrame:
        """SIM rows, and the endpoints they name, read by id."""
        return _join(await self._read_endpoints_by_id(sims["endpoint_id"].drop_nulls().to_list()), sims)

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        """Read known pairs afresh. See `simtandem.carriers.protocol.Carrier.read`.

        A SIM that has left its endpoint, or whose endpoint is gone, is read individually, with the endpoint it has now.
        """
        read = self._read_endpoints_by_id if by_id else self._read_endpoints
        endpoints = await read(pairs["endpoint_id"].drop_nulls().to_list())
        unseen = set(pairs["sim_id"].drop_nulls()).difference(endpoints["sim_id"])
        return _join(endpoints, await self._read_sims(sorted(unseen), by_id=by_id))

    async def _read_endpoints(self, idents: Sequence[str]) -> pl.DataFrame:
        first = None
        if self._endpoint_pages is None and len(idents) > 1:
            first = await self._first_endpoints()
        if len(idents) <= (self._endpoint_pages or 1):
            return await self._read_endpoints_by_id(idents)
        wanted = set(idents)
        reading = await read_rest(
            self._transport,
            ENDPOINTS,
            first or await self._first_endpoints(),
            lambda rows: len(wanted.difference(rows["endpoint_id"])),
        )
        unseen = set(idents).difference(reading.rows["endpoint_id"])
        if reading.complete and len(unseen) >= (self._endpoint_pages or 1):
            return reading.rows
        return pl.concat([reading.rows, await self._read_endpoints_by_id(sorted(unseen))])

    async def _read_endpoints_by_id(self, idents: Sequence[str]) -> pl.DataFrame:
        return table(row for row in await together(idents, self._endpoint, self._at_once) if row)

    async def _read_sims(self, idents: Sequence[str], *, by_id: bool) -> pl.DataFrame:
        found = table([])
        if len(idents) > 1 and not by_id:
            first = await read_page(self._transport, SIMS, 1)
            if len(idents) > (first.pages or 1) - 1:
                sims = await read_rest(
                    self._transport, SIMS, first, lambda rows: len(set(idents).difference(rows["sim_id"]))
                )
                found = await self._with_endpoints(sims.rows.filter(pl.col("sim_id").is_in(list(idents))))
                if sims.complete:
                    return found
        unseen = sorted(set(idents).difference(found["sim_id"]))
        pairs = await together(unseen, self._pair_by_sim, self._at_once)
        return _join(found, table(row for some in pairs for row in some))

    async def endpoint_statuses(self, idents: Sequence[str]) -> dict[str, str | None]:
        """The status of each endpoint that still exists, read afresh; None where it is none that is known."""
        asked = pl.DataFrame(
            {"sim_id": None, "endpoint_id": list(idents)}, schema={"sim_id": pl.String, "endpoint_id": pl.String}
        )
        rows = await self.read(asked)
        listed = rows.filter(pl.col("endpoint_id").is_not_null())
        return dict(listed.select("endpoint_id", "endpoint_status").iter_rows())

    async def sim_now(self, ident: str, fields: Sequence[OwnerField]) -> SimNow:
        """The status and some owners of one SIM, read afresh. Raises `CarrierRefused` where it is not shown."""
        item = await read_item(self._transport, f"{SIMS.path}/{ident}", "sim", "read_back")
        return SimNow(from_sim(item)[2], owners_of(item, fields), there=True) if item else SimNow(None, {}, there=False)

    async def read_owners(self, sims: Sequence[str], *, by_id: bool = False) -> pl.DataFrame:
        """See `simtandem.carriers.protocol.Carrier.read_owners`."""
        return await read_owners(self._transport, sims, self._at_once, by_id=by_id)

    async def count_fleet(self) -> tuple[int, int]:
        """SIMs of the fleet, and Activated ones: by a filtered page's total, or by listing if filters don't work."""
        everything = await read_page(self._transport, SIMS, 1)
        if (everything.pages or 1) > 1 and everything.total is not None:
            activated = await self._count(SimStatus.ACTIVATED)
            # All of them: or a filter that is ignored, and a first page that holds none but Activated ones.
            if activated == everything.total and await self._count(SimStatus.SUSPENDED) != 0:
                activated = None
            if activated is not None:
                return everything.total, activated
        sims = await read_rest(self._transport, SIMS, everything, lambda _rows: 0)
        return sims.rows.height, sims.rows.filter(pl.col("sim_status") == SimStatus.ACTIVATED).height

    async def _count(self, status: SimStatus) -> int | None:
        """How many SIMs have this status, by a filtered page's total; None where the filter is not honoured."""
        page = await read_page_filtered(self._transport, SIMS, f"status:{SIM_STATUS_IDS[status]}")
        return page.total if page is not None and (page.rows["sim_status"] == status).all() else None

    async def _first_endpoints(self) -> Page:
        begun = self._clock()
        page = await read_page(self._transport, ENDPOINTS, 1)
        self._endpoint_pages = page.pages
        self._pages_s = (self._clock() - begun) * math.ceil((page.pages or 1) / PAGES_AT_ONCE)
        return page

    async def _by_id(self, devices: pl.DataFrame) -> pl.DataFrame:
        """The pairs that the rows' ids lead to; each id is followed, so that ids of different pairs show as such."""
        self._all_sims = None
        rows = await together(devices.select(_KEYS).iter_rows(), self._pairs, self._at_once)
        return _join(table(row for some in rows for row in some))

    async def _pairs(self, ids: tuple[str | None, str | None, str | None]) -> list[Row]:
        sim_id, endpoint_id, iccid = ids
        rows: list[Row] = []
        if endpoint_id and (row := await self._endpoint(endpoint_id)):
            rows.append(row)
        if sim_id and sim_id not in {row[0] for row in rows}:
            rows += await self._pair_by_sim(sim_id)
        if iccid and iccid not in {row[1] for row in rows}:
            rows += await self._pair_of(await self._sim_by_iccid(iccid))
        return rows

    async def _pair_by_sim(self, ident: str) -> list[Row]:
        return await self._pair_of(await self._sim(ident))

    async def _pair_of(self, sim: Row | None) -> list[Row]:
        if sim is None:
            return []
        endpoint = await self._endpoint(sim[3]) if sim[3] else None
        return [endpoint or sim]

    async def _endpoint(self, ident: str) -> Row | None:
        item = await self._item(ENDPOINTS, "endpoint", ident)
        return from_endpoint(item) if item else None

    async def _sim(self, ident: str) -> Row | None:
        item = await self._item(SIMS, "sim", ident)
        return from_sim(item) if item else None

    async def _item(self, route: Route, what: str, ident: str) -> Item | None:
        """One item, None where the carrier does not have it or refuses to show it: that concerns no other device."""
        try:
            item = await read_item(self._transport, f"{route.path}/{ident}", what)
        except CarrierRefused as refusal:
            log.warning("%s", refusal)
            self._refused[f"{what}_id", ident] = str(refusal)
            return None
        self._refused.pop((f"{what}_id", ident), None)
        note_statuses(self._transport, route, [] if item is None else [item])
        return item

    def refusal(self, what: str, ident: str) -> str:
        """Why the carrier would not show this `sim` or `endpoint` when it was read last; empty where it did."""
        return self._refused.get((f"{what}_id", ident), "")

    async def _sim_by_iccid(self, iccid: str) -> Row | None:
        if self._all_sims is None:
            page = await read_page_filtered(self._transport, SIMS, f"iccid:{iccid}")
            match = page.rows.filter(pl.col("iccid") == iccid) if page is not None else table([])
            if match.height or (page is not None and page.rows.height <= 1):
                return match.row(0) if match.height else None
        async with self._one_listing:  # the filter is not honoured here: only the whole listing shows it
            if self._all_sims is None:
                sims = await read_rest(self._transport, SIMS, await read_page(self._transport, SIMS, 1))
                self._all_sims = sims.rows
        match = self._all_sims.filter(pl.col("iccid") == iccid)
        return match.row(0) if match.height else None


def _cost_by_id(devices: pl.DataFrame) -> int:
    """Calls to read each of these by id: one where the endpoint is named, else one for the SIM and one more."""
    return 2 * devices.height - devices["endpoint_id"].count()


def _open(devices: pl.DataFrame, inventory: pl.DataFrame) -> pl.DataFrame:
    """The rows of which some id does not be in the inventory yet."""
    found = pl.lit(value=True)
    for key in _KEYS:
        found &= pl.col(key).is_null() | pl.col(key).is_in(inventory[key].drop_nulls().implode())
    return devices.filter(~found)


def _join(*tables: pl.DataFrame) -> pl.DataFrame:
    """One table of devices: the first mention of a SIM or an endpoint counts, unless a later one knows more."""
    rows = pl.concat(tables)
    with_endpoint = rows.filter(pl.col("endpoint_status").is_not_null()).unique(
        "endpoint_id", keep="last", maintain_order=True
    )
    unclear = rows.filter(pl.col("endpoint_status").is_null())
    lone = unclear.filter(pl.col("sim_id").is_not_null())
    lone = lone.unique("sim_id", keep="last", maintain_order=True).join(with_endpoint, on="sim_id", how="anti")
    without_sim = unclear.filter(pl.col("sim_id").is_null() & pl.col("endpoint_id").is_not_null())
    without_sim = without_sim.unique("endpoint_id", keep="last", maintain_order=True)
    return pl.concat([with_endpoint, lone, without_sim.join(with_endpoint, on="endpoint_id", how="anti")])

"""The whole fleet, from both listings read side by side.

The endpoint listing shows both halves of every pair; SIMs without an endpoint are in the SIM listing alone. The two
are read over the same minutes, so a SIM that was assigned meanwhile can look alone in one and paired in the other: the
pair counts, and SIMs whose endpoint no listing showed with them are looked up.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import polars as pl

from schemas.statuses import SimStatus
from simtandem.carriers.concurrency import together
from simtandem.carriers.emnify.paging import ENDPOINTS, SIMS, Reading, Route, read_page, read_rest
from simtandem.carriers.emnify.transport import Transport
from simtandem.carriers.protocol import Listing

log = logging.getLogger(__name__)

_MOST_LOOKED_UP = 500
"""More pairs than this that the two listings disagree about are not bad luck: then the listing is not whole."""

Read = Callable[[pl.DataFrame], Awaitable[pl.DataFrame]]


async def list_fleet(transport: Transport, read: Read) -> Listing:
    """See `simtandem.carriers.protocol.Carrier.list_fleet`. `read` reads pairs afresh."""
    endpoints, sims = await together([ENDPOINTS, SIMS], partial(_read, transport))
    rows, unclear = _join(endpoints.rows, sims.rows)
    if 0 < unclear.height <= _MOST_LOOKED_UP:
        fresh = await read(unclear.select("sim_id", "endpoint_id"))
        log.info("%d SIMs changed hands while the fleet was listed; %d were looked up", unclear.height, fresh.height)
        rows, unclear = pl.concat([_without(rows, fresh), fresh]), unclear.clear()
    rows = pl.concat([rows, unclear])
    return Listing(
        rows,
        whole=endpoints.complete and sims.complete and unclear.is_empty(),
        sims=rows["sim_id"].drop_nulls().n_unique(),
        activated=rows.filter(pl.col("sim_status") == SimStatus.ACTIVATED)["sim_id"].n_unique(),
    )


async def _read(transport: Transport, route: Route) -> Reading:
    return await read_rest(transport, route, await read_page(transport, route, 1))


def _join(pairs: pl.DataFrame, sims: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs with the SIMs that are in none and have no endpoint; and the SIMs that name an endpoint nevertheless."""
    lone = sims.join(pairs.filter(pl.col("sim_id").is_not_null()), on="sim_id", how="anti")
    named = pl.col("endpoint_id").is_not_null()
    return pl.concat([pairs, lone.filter(~named)]), lone.filter(named)


def _without(rows: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """`rows` without the devices that were read anew."""
    kept = rows
    for key in ("sim_id", "endpoint_id"):
        kept = kept.filter(pl.col(key).is_null() | ~pl.col(key).is_in(fresh[key].drop_nulls().implode()))
    return kept

"""Whose SIMs are: read from the SIM listing or by id, and changed with the same call that changes a SIM's status.

Who may change what depends on what the token's organisation is to the SIM: its issuer may change everything, its
reseller only the reseller and the customer, its customer only the status. The new organisation must be a direct child
of a type that fits. Which of this is wrong, a refusal does not say, so it is said here.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from schemas.organisations import NOBODY, OwnerField
from simtandem.carriers.concurrency import together
from simtandem.carriers.emnify.item_mapping import OWNER_NAMES, Item, owners_from_sim, owners_table
from simtandem.carriers.emnify.paging import SIMS, read_item, read_page, read_rest
from simtandem.carriers.emnify.response_mapping import Kind, Reply
from simtandem.carriers.emnify.transport import Transport
from simtandem.errors import CarrierRefused

log = logging.getLogger(__name__)

_INVALID_REFERENCE = 1401  # said of a SIM that does not exist, and of an organisation
_LISTED = replace(SIMS, row=owners_from_sim, table=owners_table)
_FITTING = {
    OwnerField.CUSTOMER: "your own organisation or a direct child of type Enterprise",
    OwnerField.RESELLER: "a direct child of type Mobile Network Operator, Service Provider or Reseller",
    OwnerField.ISSUER: "a direct child of type Mobile Network Operator or Service Provider",
}


async def read_owners(
    transport: Transport, sims: Sequence[str], at_once: asyncio.Semaphore, *, by_id: bool = False
) -> pl.DataFrame:
    """See `simtandem.carriers.protocol.Carrier.read_owners`."""
    found = owners_table([])
    if len(sims) > 1 and not by_id:
        first = await read_page(transport, _LISTED, 1)
        found = first.rows
        if len(set(sims).difference(found["sim_id"])) > (first.pages or 1) - 1:
            reading = await read_rest(transport, _LISTED, first, lambda rows: len(set(sims).difference(rows["sim_id"])))
            if reading.complete:
                return reading.rows
            found = reading.rows
    unseen = sorted(set(sims).difference(found["sim_id"]))
    rows = await together(unseen, partial(_one, transport), at_once)
    return pl.concat([found, owners_table(row for row in rows if row)])


async def _one(transport: Transport, ident: str) -> tuple[str | None, ...] | None:
    try:
        item = await read_item(transport, f"{SIMS.path}/{ident}", "sim")
    except CarrierRefused as refusal:  # that concerns no other SIM
        log.warning("%s", refusal)
        return None
    return owners_from_sim(item) if item else None


def owners_of(item: Item, fields: Sequence[OwnerField]) -> dict[OwnerField, str]:
    """Some of a SIM's owners, as its item shows them."""
    _, *idents = owners_from_sim(item)
    held = dict(zip(OWNER_NAMES, idents, strict=True))
    return {field: held[field] or NOBODY for field in fields}


def owner_fields(owners: Mapping[OwnerField, tuple[str, str]]) -> dict[str, dict[str, int | None]]:
    """The fields of a PATCH that change these owners, and no others: an empty one would empty the owner."""
    return {OWNER_NAMES[field]: {"id": None if after == NOBODY else int(after)} for field, (_, after) in owners.items()}


def why_refused(reply: Reply, owners: Mapping[OwnerField, tuple[str, str]], *, with_status: bool) -> str:
    """What a refusal of a change of owners comes from, in words that help; empty where it is none."""
    if not owners:
        return ""
    asked = [*(["the status"] if with_status else []), *owners]
    if reply.kind is Kind.FORBIDDEN and reply.status == 403:
        return (
            f"; asked for: {', '.join(asked)}. The SIM's issuer may change all of it, its reseller only "
            "reseller_org_id and customer_org_id, its customer only the status; the token's organisation is not the "
            "one it takes"
        )
    if reply.kind not in (Kind.INVALID, Kind.CONFLICT) and reply.code != _INVALID_REFERENCE:
        return ""
    fitting = [f"{field} takes {_FITTING[field]}" for field, (_, after) in owners.items() if after != NOBODY]
    return f"; {', '.join(fitting)}" if fitting else ""

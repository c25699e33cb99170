"""What the carrier's events say of the devices of a wave: which attach to a network, and which have trouble. Pure."""

import polars as pl

from schemas.event_types import ALERTS, ATTACHES, CREATE_PDP_CONTEXT, ORGANISATION_BLOCKED

_REJECTED = "reject"
"""In the description of a data session that was asked for and not opened."""


def attached(events: pl.DataFrame, devices: pl.DataFrame) -> int:
    """How many of these devices (columns `sim_id`, `endpoint_id`) attach, by `schemas.tables.Events`."""
    return devices.filter(_named_by(events.filter(pl.col("type").is_in(list(ATTACHES)) & ~_rejected()))).height


def alerts(events: pl.DataFrame, devices: pl.DataFrame) -> int:
    """How many of these devices have trouble; all of them where the whole organisation is blocked."""
    trouble = events.filter(pl.col("type").is_in(list(ALERTS)) & ((pl.col("type") != CREATE_PDP_CONTEXT) | _rejected()))
    if (trouble["type"] == ORGANISATION_BLOCKED).any():
        return devices.height
    return devices.filter(_named_by(trouble)).height


def _rejected() -> pl.Expr:
    says_so = pl.col("description").str.to_lowercase().str.contains(_REJECTED, literal=True)
    return (pl.col("type") == CREATE_PDP_CONTEXT) & says_so


def _named_by(events: pl.DataFrame) -> pl.Expr:
    """Whether an event is about a device: about its SIM, or its endpoint where it names no SIM."""
    sims = events["sim_id"].drop_nulls().implode()
    endpoints = events.filter(pl.col("sim_id").is_null())["endpoint_id"].drop_nulls().implode()
    return pl.col("sim_id").is_in(sims).fill_null(value=False) | pl.col("endpoint_id").is_in(endpoints).fill_null(
        value=False
    )

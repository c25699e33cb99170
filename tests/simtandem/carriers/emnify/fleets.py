"""The words of the tests that read devices: routes, states, and devices as tuples."""

from collections.abc import Iterable

import polars as pl

from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory
from simtandem.emulator.server import Group
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    asked,
)

ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
ENDPOINT, ENDPOINTS = "GET /api/v1/endpoint/{id}", "GET /api/v1/endpoint"
SIM, SIMS = "GET /api/v1/sim/{id}", "GET /api/v1/sim"
NOBODY = 99_999_999

PAIR = Group(1, SimStatus.ACTIVATED, ON)


def pairs_of(**ids: Iterable[int | str | None]) -> pl.DataFrame:
    """What `read` is asked for."""
    return asked(**ids).select("sim_id", "endpoint_id")


def devices(inventory: pl.DataFrame) -> set[tuple[object, ...]]:
    """The devices of an inventory, the ICCID left out; each half stands in one of them."""
    for half in ("sim_id", "endpoint_id"):
        assert inventory[half].drop_nulls().is_unique().all()
    return set(Inventory.validate(inventory).drop("iccid").rows())


def pair(number: int, sim: str = "Issued", endpoint: str = "Disabled") -> tuple[object, ...]:
    """The n-th device of a fleet of pairs, counted from 0."""
    return (str(FIRST_SIM + number), sim, str(FIRST_ENDPOINT + number), endpoint)

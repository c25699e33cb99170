"""The plan for a few input rows and a fleet in memory."""

from typing import Any

import polars as pl

from schemas.tables import Plan, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from tests.simtandem.model_fleet import ModelDevice, ModelFleet

LIFECYCLE = EMNIFY
NO_REPEATS = empty(Repeats)


def plan_for(devices: pl.DataFrame, *fleet: ModelDevice, again: pl.DataFrame = NO_REPEATS) -> pl.DataFrame:
    return Plan.validate(make_plan(devices, again, ModelFleet(list(fleet)).inventory(), LIFECYCLE))


def only(plan: pl.DataFrame) -> dict[str, Any]:
    return plan.row(0, named=True)

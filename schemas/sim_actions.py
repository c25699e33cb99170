"""SIM actions: what an operator can ask for besides a status. The words, and the tables that pass between steps.

`row`, ids and outcomes are as in `schemas.tables`.
"""

from enum import StrEnum

import pandera.polars as pa
import polars as pl
from pandera.typing.polars import Series

from schemas.statuses import Action, Outcome, Verdict
from schemas.tables import ID, Table


class SimAction(StrEnum):
    """What can be asked for. Which of these a carrier has, and when they are legal, is in its `Lifecycle`."""

    ASSIGN = "assign"  # a SIM to an endpoint
    RELEASE = "release"  # a SIM from its endpoint
    RESET_CONNECTIVITY = "reset_connectivity"  # the device forgets its network state and attaches anew
    REGISTER_BATCH = "register_batch"  # the SIMs of a delivery, by its code


class ActionWishes(Table):
    """What an operator asks for: one usable input row each."""

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    action: Series[pl.String] = pa.Field(isin=[*SimAction])
    sim_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    bic: Series[pl.String] = pa.Field(nullable=True)
    status: Series[pl.String] = pa.Field(nullable=True)


class ActionPlan(Table):
    """What is to be done for each usable input row, repeats included, sorted by `row`.

    `decision` is what the plan does with the row. `before` and `after` are what the action is about, in words:
    `no endpoint`, `endpoint 42`; `after` is null where the row is refused. `sim_status` and `endpoint_status` are those
    listed. `idle` says that the SIM is charged without an endpoint afterwards. Of a batch, `bic` is its code, `status`
    what its SIMs are registered as, and `quantity` how many they are.
    """

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    action: Series[pl.String] = pa.Field(isin=[*SimAction])
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    bic: Series[pl.String] = pa.Field(nullable=True)
    status: Series[pl.String] = pa.Field(nullable=True)
    quantity: Series[pl.Int64] = pa.Field(nullable=True)
    sim_status: Series[pl.String] = pa.Field(nullable=True)
    endpoint_status: Series[pl.String] = pa.Field(nullable=True)
    before: Series[pl.String]
    after: Series[pl.String] = pa.Field(nullable=True)
    decision: Series[pl.String] = pa.Field(isin=[*Action])
    reason: Series[pl.String]
    idle: Series[pl.Boolean]
    same_as: Series[pl.Int64] = pa.Field(nullable=True)


class ActionOutcomes(Table):
    """How planned actions ended, one line a row."""

    row: Series[pl.Int64] = pa.Field(ge=2)
    outcome: Series[pl.String] = pa.Field(isin=[*Outcome])
    attempts: Series[pl.Int64] = pa.Field(ge=0)
    http_status: Series[pl.Int64] = pa.Field(nullable=True)
    error: Series[pl.String]


class ActionResults(Table):
    """What became of every input row, invalid ones included, sorted by `row`.

    `before` and `after` are the pair's statuses, as in `schemas.tables.Results`; `status` is what a batch is registered
    as.
    """

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    action: Series[pl.String] = pa.Field(nullable=True)
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    bic: Series[pl.String] = pa.Field(nullable=True)
    status: Series[pl.String] = pa.Field(nullable=True)
    before: Series[pl.String]
    after: Series[pl.String]
    outcome: Series[pl.String] = pa.Field(nullable=True, isin=[*Outcome])
    verdict: Series[pl.String] = pa.Field(isin=[*Verdict])
    reason: Series[pl.String]
    attempts: Series[pl.Int64] = pa.Field(ge=0)
    http_status: Series[pl.Int64] = pa.Field(nullable=True)
    error: Series[pl.String]

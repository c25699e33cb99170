"""The plan for a single device, how its steps ended, what a fresh look finds, and the verdict on it."""

import polars as pl

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Outcomes, Rejected, Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.domain.verdicts import results_of
from tests.simtandem.model_fleet import ACTIVE, ISSUED, OFF, ON, ModelFleet, device, repeats, wishes

NONE_REJECTED = empty(Rejected)
NO_OUTCOMES = empty(Outcomes)


def outcomes(*lines: tuple[int, Half, Outcome, int, int | None, str]) -> pl.DataFrame:
    return pl.DataFrame(lines, schema=NO_OUTCOMES.schema, orient="row")


def plan_one(sim: SimStatus, endpoint: EndpointStatus | None, target: Target) -> pl.DataFrame:
    fleet = ModelFleet([device(1, sim, endpoint)])
    return make_plan(wishes((2, "1", None, None, target)), repeats(), fleet.inventory(), EMNIFY)


def now(sim: SimStatus, endpoint: EndpointStatus | None) -> pl.DataFrame:
    return ModelFleet([device(1, sim, endpoint)]).inventory()


def judge(plan: pl.DataFrame, after: pl.DataFrame | None, sim: str = "", endpoint: str = "") -> dict[str, object]:
    """The result of the one row of `plan`, whose steps ended as said."""
    ended = {Half.SIM: sim, Half.ENDPOINT: endpoint}
    lines = [(2, half, Outcome(word), 1, None, "") for half, word in ended.items() if word]
    return Results.validate(results_of(plan, NONE_REJECTED, outcomes(*lines), after, EMNIFY)).row(0, named=True)


ACTIVATE = plan_one(ISSUED, OFF, Target.ACTIVATED)
SUSPEND = plan_one(ACTIVE, ON, Target.SUSPENDED)

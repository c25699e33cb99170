"""What is said of the made-up carrier's plans: its limits are numbers, and its own words stand in every sentence."""

import polars as pl
import pytest

from schemas.tables import Devices, Plan, Repeats, empty
from simtandem.domain import safety
from simtandem.domain.plan import make_plan
from simtandem.errors import PlanRefused
from tests.simtandem.runs.test_third_carrier import FLOCK, PIGEON, Pigeon


def planned(carrier: Pigeon, word: str) -> pl.DataFrame:
    rows = [(row, sim, None, None, word, None) for row, sim in enumerate(FLOCK, 2)]
    devices = pl.DataFrame(rows, schema=empty(Devices).schema, orient="row")
    return Plan.validate(make_plan(devices, empty(Repeats), carrier.inventory(), carrier.lifecycle))


def test_its_limits_are_numbers_and_its_sentences_use_its_words() -> None:
    plan = planned(Pigeon(dict.fromkeys(FLOCK, "aloft")), "parked")
    limits = safety.Limits(suspend_fleet_min=6)
    with pytest.raises(PlanRefused, match="pigeon: 6 SIMs would be suspended, and it is not known what share"):
        safety.check(
            plan,
            lifecycle=PIGEON,
            fleet_sims=None,
            fleet_activated=None,
            limits=limits,
            accept_large=False,
            change_owners=False,
            expected_digest=None,
            digest="",
        )
    assert safety.for_good(2, PIGEON) == "2 SIMs would be newly billed permanently: nothing goes back to unborn."
    assert PIGEON.fees("aloft", "parked") == "parking costs 2 EUR"

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schemas.statuses import Action, EndpointStatus, Half, SimStatus, Target
from schemas.tables import Plan, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.batches import split
from simtandem.domain.plan import make_plan
from tests.simtandem.model_fleet import Job, ModelFleet, device, jobs, wishes


def plan_of(*moves: tuple[SimStatus, EndpointStatus, Target]) -> pl.DataFrame:
    """A plan with one row for each move."""
    fleet = ModelFleet([device(number, sim, endpoint) for number, (sim, endpoint, _) in enumerate(moves, start=1)])
    rows = [(1 + number, str(number), None, None, target) for number, (_, _, target) in enumerate(moves, start=1)]
    return make_plan(wishes(*rows), empty(Repeats), fleet.inventory(), EMNIFY)


TURN_ON = (SimStatus.ISSUED, EndpointStatus.DISABLED, Target.ACTIVATED)
TURN_ON_FROM_TEST = (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED, Target.ACTIVATED)
TURN_OFF = (SimStatus.ACTIVATED, EndpointStatus.ENABLED, Target.SUSPENDED)
TRY_OUT = (SimStatus.ISSUED, EndpointStatus.DISABLED, Target.FACTORY_TEST)
OFF_ALREADY = (SimStatus.SUSPENDED, EndpointStatus.DISABLED, Target.SUSPENDED)
REFUSED = (SimStatus.ISSUED, EndpointStatus.DISABLED, Target.SUSPENDED)


@settings(max_examples=60, deadline=None)
@given(jobs(), st.integers(1, 4))
def test_every_change_is_in_one_batch_and_batches_are_of_one_kind_and_few(job: Job, size: int) -> None:
    plan = make_plan(job.devices, job.repeats, job.fleet.inventory(), EMNIFY)
    changes = plan.filter(pl.col("action") == Action.CHANGE)
    batches = split(plan, size, EMNIFY)
    rows = [row for batch in batches for row in batch.rows["row"]]
    assert sorted(rows) == changes["row"].to_list()
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    for batch in batches:
        assert 1 <= batch.rows.height <= size
        assert set(batch.rows["desired"]) == {batch.target}
        assert set(batch.rows["first"]) == {batch.first}
        assert batch.rows["row"].is_sorted()
    kinds = changes.group_by("desired", "first").len()["len"]
    assert len(batches) == sum(-(-length // size) for length in kinds)


def test_suspends_come_first_and_what_needs_no_step_is_left_out() -> None:
    plan = plan_of(TRY_OUT, TURN_ON, OFF_ALREADY, TURN_ON_FROM_TEST, REFUSED, TURN_OFF, TURN_ON, TURN_OFF)
    batches = split(plan, 500, EMNIFY)
    assert [(batch.target, batch.first, batch.rows["row"].to_list()) for batch in batches] == [
        (Target.SUSPENDED, Half.SIM, [7, 9]),
        (Target.ACTIVATED, Half.SIM, [5]),
        (Target.ACTIVATED, Half.ENDPOINT, [3, 8]),
        (Target.FACTORY_TEST, Half.ENDPOINT, [2]),
    ]


def test_batches_do_not_depend_on_the_order_of_the_plans_rows() -> None:
    plan = plan_of(TURN_ON, TURN_OFF, TURN_ON, TURN_OFF, TURN_ON)
    for one, other in zip(split(plan, 2, EMNIFY), split(plan.reverse(), 2, EMNIFY), strict=True):
        assert (one.number, one.first, one.target) == (other.number, other.first, other.target)
        assert_frame_equal(one.rows, other.rows)


def test_rows_keep_the_columns_of_the_plan() -> None:
    Plan.validate(split(plan_of(TURN_ON), 1, EMNIFY)[0].rows)


def test_no_batch_is_larger_than_one_call_can_change() -> None:
    assert [batch.rows.height for batch in split(plan_of(*[TURN_ON] * 5), 500, replace(EMNIFY, bulk_endpoints=2))] == [
        2,
        2,
        1,
    ]
    assert [batch.rows.height for batch in split(plan_of(*[TURN_ON] * 2001), 5000, EMNIFY)] == [2000, 1]


@pytest.mark.parametrize("size", [0, -1])
def test_batch_without_devices_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="at least one device"):
        split(plan_of(TURN_ON), size, EMNIFY)


def test_a_plan_without_changes_has_no_batches() -> None:
    assert split(plan_of(OFF_ALREADY, REFUSED), 500, EMNIFY) == []
    assert split(empty(Plan), 500, EMNIFY) == []

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import EMNIFY_TARGETS, EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.domain.replan import obsolete_steps
from tests.simtandem.model_fleet import ModelFleet, device, wishes
from tests.simtandem.owned_fleet import asks, owned

ISSUED, ACTIVE, SUSPENDED, TEST = (
    SimStatus.ISSUED,
    SimStatus.ACTIVATED,
    SimStatus.SUSPENDED,
    SimStatus.FACTORY_TEST,
)
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
SIM, ENDPOINT = Half.SIM, Half.ENDPOINT
UNCHANGED, HELD = Outcome.UNCHANGED, Outcome.HELD
Pair = tuple[SimStatus | None, EndpointStatus | None]


def plan_of(fleet: ModelFleet, *targets: Target) -> pl.DataFrame:
    """The plan for the fleet; device 1 is asked for in row 2, and so on."""
    asked = wishes(*((at + 1, str(at), None, None, target) for at, target in enumerate(targets, 1)))
    return make_plan(asked, empty(Repeats), fleet.inventory(), EMNIFY)


def settled(before: Pair, target: Target, now: Pair) -> dict[Half, tuple[str, str]]:
    """What becomes of one device's steps, planned when it was as `before`, found as `now`."""
    plan, fresh = plan_of(ModelFleet([device(1, *before)]), target), ModelFleet([device(1, *now)]).inventory()
    ended = obsolete_steps(plan, fresh, None, EMNIFY)
    return {half: (row[1], row[2]) for half, steps in ended.items() for row in steps.iter_rows() if row[0] == 2}


@pytest.mark.parametrize(
    ("before", "target", "now", "ended"),
    [
        ((ISSUED, OFF), Target.ACTIVATED, (ISSUED, OFF), {}),
        ((ISSUED, OFF), Target.ACTIVATED, (ACTIVE, ON), {SIM: UNCHANGED, ENDPOINT: UNCHANGED}),
        ((ISSUED, OFF), Target.ACTIVATED, (ISSUED, ON), {ENDPOINT: UNCHANGED}),
        ((ISSUED, OFF), Target.ACTIVATED, (ACTIVE, OFF), {SIM: UNCHANGED}),
        ((ACTIVE, ON), Target.SUSPENDED, (SUSPENDED, ON), {SIM: UNCHANGED}),
        ((ISSUED, OFF), Target.ACTIVATED, (SUSPENDED, OFF), {SIM: HELD, ENDPOINT: HELD}),
        ((ISSUED, OFF), Target.ACTIVATED, (SUSPENDED, ON), {SIM: HELD, ENDPOINT: UNCHANGED}),
        ((ISSUED, ON), Target.ACTIVATED, (ISSUED, OFF), {SIM: HELD}),
        ((ACTIVE, None), Target.SUSPENDED, (ACTIVE, ON), {SIM: HELD}),
        ((TEST, OFF), Target.ACTIVATED, (ACTIVE, OFF), {SIM: UNCHANGED}),
        ((ISSUED, OFF), Target.FACTORY_TEST, (TEST, ON), {SIM: UNCHANGED, ENDPOINT: UNCHANGED}),
    ],
)
def test_only_what_is_as_planned_is_left_to_send(
    before: Pair, target: Target, now: Pair, ended: dict[Half, Outcome]
) -> None:
    assert {half: outcome for half, (outcome, _) in settled(before, target, now).items()} == ended


def test_the_endpoint_of_a_sim_that_came_to_factory_test_meanwhile_is_not_touched() -> None:
    ended = settled((ISSUED, OFF), Target.FACTORY_TEST, (TEST, OFF))
    assert ended[SIM] == (UNCHANGED, "")
    outcome, why = ended[ENDPOINT]
    assert outcome == HELD
    assert why.startswith("moved since the plan was made: it is Factory Test+Disabled now; ")


def test_a_device_that_moved_is_told_with_where_it_is() -> None:
    ended = settled((ISSUED, OFF), Target.ACTIVATED, (SUSPENDED, OFF))
    assert set(ended.values()) == {(HELD, "moved since the plan was made: it is Suspended+Disabled now")}


def test_a_device_that_is_gone_or_has_another_endpoint_is_held() -> None:
    plan = plan_of(ModelFleet([device(1), device(2)]), Target.ACTIVATED, Target.ACTIVATED)
    other = device(2)
    other.endpoint_id = "909"
    ended = obsolete_steps(plan, ModelFleet([other]).inventory(), None, EMNIFY)
    assert dict(ended[SIM].select("row", "error").iter_rows()) == {
        2: "moved since the plan was made: the carrier does not show it now",
        3: "moved since the plan was made: its endpoint is 909 now",
    }
    assert set(ended[SIM]["outcome"]) == set(ended[ENDPOINT]["outcome"]) == {HELD}


@pytest.mark.parametrize(
    ("customer", "ended"), [("42", {}), ("43", {SIM: (UNCHANGED, "")}), ("7", {SIM: (HELD, "customer_org_id=7")})]
)
def test_owners_belong_to_what_a_sims_step_changes(customer: str, ended: dict[Half, tuple[str, str]]) -> None:
    fleet = owned(ModelFleet([device(1, ACTIVE, ON)]))
    wanted = asks((2, "1", None, "customer_org_id=43"))
    plan = make_plan(wanted, empty(Repeats), fleet.inventory(), EMNIFY, fleet.owners())
    fleet.held["1"] |= {name: customer for name in fleet.held["1"] if name == "customer_org_id"}
    told = obsolete_steps(plan, fleet.inventory(), fleet.owners(), EMNIFY)
    assert {half: steps.height for half, steps in told.items()} == {SIM: len(ended), ENDPOINT: 0}
    for half, (outcome, why) in ended.items():
        assert told[half]["outcome"].item() == outcome
        assert why in told[half]["error"].item()


_PAIRS = st.tuples(st.sampled_from([ISSUED, ACTIVE, SUSPENDED, TEST]), st.sampled_from(EndpointStatus))


@settings(deadline=None, max_examples=100)
@given(before=_PAIRS, target=st.sampled_from(EMNIFY_TARGETS), now=_PAIRS)
def test_what_is_left_is_legal_and_leads_to_what_is_asked_wherever_the_device_is_now(
    before: tuple[SimStatus, EndpointStatus], target: Target, now: tuple[SimStatus, EndpointStatus]
) -> None:
    plan, found = plan_of(ModelFleet([device(1, *before)]), target), ModelFleet([device(1, *now)])
    ended = obsolete_steps(plan, found.inventory(), None, EMNIFY)
    left = plan.with_columns(
        (pl.col(f"{half}_step") & ~pl.col("row").is_in(ended[half]["row"].implode())).alias(f"{half}_step")
        for half in Half
    )
    found.apply(left)
    assert found.illegal == []
    assert found.paying_but_off == []
    if left.select(pl.any_horizontal("sim_step", "endpoint_step").any()).item():
        assert (found.devices[0].sim, found.devices[0].endpoint) == plan.select("sim_after", "endpoint_after").row(0)

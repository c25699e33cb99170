"""Other owners need a word of their own: who allows a large plan has not allowed them."""

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from schemas.tables import Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.domain.safety import Limits, check
from simtandem.errors import PlanRefused
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.owned_fleet import asks, owned

OTHER = "customer_org_id=43"
THE_OWNERS = (
    "emnify: 12 SIMs would change their owner, which not everybody can undo. "
    "The first: SIM 1, from customer_org_id=42 to customer_org_id=43."
)
THE_SUSPENDS = "emnify: 12 of 12 Activated SIMs would be suspended (100 %, limit 30 %)."


def plan(desired: Target | None, owners: str | None) -> pl.DataFrame:
    """Twelve running SIMs of customer 42, of which this is asked."""
    fleet = owned(ModelFleet([device(at, SimStatus.ACTIVATED, EndpointStatus.ENABLED) for at in range(1, 13)]))
    devices = asks(*[(at + 1, str(at), desired, owners) for at in range(1, 13)])
    return make_plan(devices, empty(Repeats), fleet.inventory(), EMNIFY, fleet.owners())


def gate(plan: pl.DataFrame, *, accept_large: bool = False, change_owners: bool = False) -> None:
    check(
        plan,
        lifecycle=EMNIFY,
        fleet_sims=12,
        fleet_activated=12,
        limits=Limits(),
        accept_large=accept_large,
        change_owners=change_owners,
        expected_digest=None,
        digest="aaaa000011112222",
    )


def refusal(plan: pl.DataFrame, **flags: bool) -> list[str]:
    with pytest.raises(PlanRefused) as refused:
        gate(plan, **flags)
    assert refused.value.exit_code == 3
    return str(refused.value).splitlines()


@pytest.mark.parametrize("accept_large", [True, False])
def test_a_change_of_owners_is_refused_with_the_numbers_whatever_size_is_accepted(accept_large: bool) -> None:
    assert refusal(plan(None, OTHER), accept_large=accept_large) == [
        THE_OWNERS,
        "Nothing was sent. Review plan.csv, then run again with --change-owners.",
    ]


def test_allowed_it_passes() -> None:
    gate(plan(None, OTHER), change_owners=True)


def test_to_be_allowed_other_owners_does_not_allow_a_large_plan() -> None:
    assert refusal(plan(Target.SUSPENDED, OTHER), change_owners=True) == [
        THE_SUSPENDS,
        "Nothing was sent. Review plan.csv, then run again with --accept-large.",
    ]


def test_both_words_are_asked_for_at_once_where_both_are_needed() -> None:
    assert refusal(plan(Target.SUSPENDED, OTHER)) == [
        THE_SUSPENDS,
        THE_OWNERS,
        "Nothing was sent. Review plan.csv, then run again with --accept-large --change-owners.",
    ]
    gate(plan(Target.SUSPENDED, OTHER), accept_large=True, change_owners=True)


def test_owners_that_are_right_already_need_no_word() -> None:
    gate(plan(None, "customer_org_id=42"))


def test_owners_of_suspended_sims_are_not_counted_as_suspending() -> None:
    fleet = owned(ModelFleet([device(at, SimStatus.SUSPENDED, EndpointStatus.DISABLED) for at in range(1, 13)]))
    devices = asks(*[(at + 1, str(at), Target.SUSPENDED, OTHER) for at in range(1, 13)])
    made = make_plan(devices, empty(Repeats), fleet.inventory(), EMNIFY, fleet.owners())
    gate(made, change_owners=True)

"""What a plan's moves cost besides, and don't end, is said where the carrier's rules know of it."""

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from schemas.tables import Devices, Inventory, Plan, Repeats, empty
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.domain.plan_consequences import consequences, with_fees
from simtandem.domain.plan_summary import sentence, summary
from tests.simtandem.model_fleet import device, wishes
from tests.simtandem.planned_rows import plan_for

BY_ITSELF = "it becomes Active-billed automatically"


def plan_of(*sims: tuple[str, str]) -> pl.DataFrame:
    """A plan at AerAdmin for SIMs in these statuses, each with its wish."""
    fleet = [(str(row), None, status, None, None) for row, (status, _) in enumerate(sims, 2)]
    asked = [(row, str(row), None, None, wish, None) for row, (_, wish) in enumerate(sims, 2)]
    inventory = pl.DataFrame(fleet, schema=empty(Inventory).schema, orient="row")
    devices = pl.DataFrame(asked, schema=empty(Devices).schema, orient="row")
    return Plan.validate(make_plan(devices, empty(Repeats), inventory, AERADMIN))


def test_fee_traffic_and_the_way_back_are_said_with_how_many() -> None:
    plan = plan_of(*[("Active-billed", "suspended")] * 2, ("Assigned", "provisioned"), ("Suspended", "activated"))
    provision, suspend = consequences(plan, AERADMIN)
    assert provision.startswith("1 SIM to Provisioned: a provision fee is due")
    assert BY_ITSELF in provision
    assert "still pass traffic" not in provision, "nobody expects that of it"
    assert suspend.startswith("2 SIMs to Suspended: suspending costs a one-time fee, and traffic the overage rate; ")
    assert f"; the SIM can still pass traffic; {BY_ITSELF}" in suspend
    assert with_fees(plan, AERADMIN)["row"].to_list() == [2, 3, 4]
    assert sentence(summary(plan, AERADMIN, invalid=0), AERADMIN).startswith(
        "Start billing 1 (1 newly billed), suspend 2 (2 may cost a fee), provision 1 (1 may cost a fee)"
    )


@pytest.mark.parametrize("sim", [("Suspended", "suspended"), ("Assigned", "suspended"), ("Canceled", "suspended")])
def test_what_is_not_moved_has_no_consequence(sim: tuple[str, str]) -> None:
    assert consequences(plan_of(sim), AERADMIN) == []


def test_emnify_has_no_sentence_whatever_is_asked() -> None:
    states = [(SimStatus.ISSUED, EndpointStatus.DISABLED), (SimStatus.ACTIVATED, EndpointStatus.ENABLED)]
    asked = [Target.FACTORY_TEST, Target.SUSPENDED]
    rows = wishes(*((at + 1, str(at), None, None, target) for at, target in enumerate(asked, 1)))
    plan = plan_for(rows, *(device(at, *state) for at, state in enumerate(states, 1)))
    assert plan["sim_step"].to_list() == [True, True]
    assert consequences(plan, EMNIFY) == []
    assert summary(plan, EMNIFY, invalid=0).fees == {}

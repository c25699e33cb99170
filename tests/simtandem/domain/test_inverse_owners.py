import copy
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings

from schemas.organisations import OwnerField
from schemas.statuses import Action, EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Plan, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.inverse import as_devices, changed_devices, invert, undo_rows
from simtandem.domain.plan import make_plan
from simtandem.reports.result_files import write_retry
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.owned_fleet import OwnedFleet, asks, ended, owned, owner_jobs

ISSUED, ACTIVE, SUSPENDED = SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
CUSTOMER, RESELLER = OwnerField.CUSTOMER, OwnerField.RESELLER
OTHER, SAME = "customer_org_id=43", "customer_org_id=42"
APPLIED, UNKNOWN = Outcome.APPLIED, Outcome.UNKNOWN


def planned(fleet: OwnedFleet, devices: pl.DataFrame) -> pl.DataFrame:
    return make_plan(devices, empty(Repeats), fleet.inventory(), EMNIFY, fleet.owners())


def inverse(fleet: OwnedFleet, changes: pl.DataFrame) -> pl.DataFrame:
    return Plan.validate(invert(planned(fleet, as_devices(changes)), changes, EMNIFY))


def ran(
    before: tuple[SimStatus, EndpointStatus | None], desired: Target | None, owners: str | None, sim: Outcome = APPLIED
) -> tuple[OwnedFleet, pl.DataFrame]:
    """A fleet of one device after a run asked that of it, and what the run changed; its SIM's step ended as said."""
    fleet = owned(ModelFleet([device(1, *before)]))
    plan = planned(fleet, asks((2, "1", desired, owners)))
    if sim is APPLIED:
        fleet.apply(plan)
    steps = [(2, half, sim if half is Half.SIM else APPLIED) for half in Half if plan[f"{half}_step"].item()]
    return fleet, changed_devices(plan, ended(*steps), EMNIFY)


@settings(max_examples=35, deadline=None)
@given(owner_jobs())
def test_every_owner_a_run_changed_goes_back_or_its_device_is_refused(job: tuple[OwnedFleet, pl.DataFrame]) -> None:
    fleet, devices = job
    before = {sim: dict(held) for sim, held in fleet.held.items()}
    devices_before = copy.deepcopy(fleet.fleet.devices)
    plan = planned(fleet, devices)
    fleet.apply(plan)
    steps = [(row["row"], half, APPLIED) for row in plan.iter_rows(named=True) for half in Half if row[f"{half}_step"]]
    back = inverse(fleet, changed_devices(plan, ended(*steps), EMNIFY))
    assert back["row"].to_list() == plan.filter(pl.col("action") == Action.CHANGE)["row"].to_list()
    fleet.apply(back)
    assert (fleet.fleet.illegal, fleet.needless) == ([], [])
    refused = set(back.filter(pl.col("action") == Action.REFUSED)["sim_id"])
    for sim, held in fleet.held.items():
        assert sim in refused or held == before[sim]
    for was, now in zip(devices_before, fleet.fleet.devices, strict=True):
        assert now == was or now.sim_id in refused
    assert back.filter(pl.col("reason").str.contains("moved")).is_empty()


@pytest.mark.parametrize("sim", [ISSUED, ACTIVE, SUSPENDED, SimStatus.FACTORY_TEST])
@pytest.mark.parametrize("endpoint", [None, ON, OFF])
def test_an_owner_goes_back_whatever_status_the_sim_is_in(sim: SimStatus, endpoint: EndpointStatus | None) -> None:
    fleet, changes = ran((sim, endpoint), None, OTHER)
    row = inverse(fleet, changes).row(0, named=True)
    assert (row["action"], row["desired"]) == (Action.CHANGE, None)
    assert (row["owners_before"], row["owners_after"]) == (OTHER, SAME)
    assert (row["sim_step"], row["endpoint_step"], row["newly_billed"]) == (True, False, False)


def test_a_status_and_an_owner_go_back_in_one_step() -> None:
    fleet, changes = ran((ACTIVE, ON), Target.SUSPENDED, OTHER)
    row = inverse(fleet, changes).row(0, named=True)
    assert (row["sim_after"], row["owners_after"], row["desired"]) == (ACTIVE, SAME, "activated")


def test_only_the_fields_the_run_changed_go_back() -> None:
    fleet, changes = ran((ACTIVE, ON), None, "customer_org_id=43, issuer_org_id=1")
    fleet.held["1"] = {**fleet.held["1"], RESELLER: "5"}
    row = inverse(fleet, changes).row(0, named=True)
    assert row["action"] == Action.CHANGE
    assert row["owners_after"] == "customer_org_id=42, issuer_org_id=1"


def test_a_run_that_changed_a_status_alone_is_undone_whoever_owns_the_sim_now() -> None:
    fleet, changes = ran((ACTIVE, ON), Target.SUSPENDED, None)
    fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "77"}
    row = inverse(fleet, changes).row(0, named=True)
    assert (row["action"], row["owners_after"]) == (Action.CHANGE, None)


@pytest.mark.parametrize("desired", [None, Target.SUSPENDED])
def test_a_sim_that_got_another_owner_since_is_left_alone_by_name(desired: Target | None) -> None:
    fleet, changes = ran((ACTIVE, ON), desired, OTHER)
    fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "77"}
    row = inverse(fleet, changes).row(0, named=True)
    assert (row["action"], row["sim_step"], row["owners_after"]) == (Action.REFUSED, False, None)
    pair = "Suspended+Disabled" if desired else "Activated+Enabled"
    assert row["reason"] == (
        f"SIM 1 is {pair}, customer_org_id=77 now, and the run left it {pair}, {OTHER}: "
        "it was moved since, so it is left alone"
    )


def test_a_sim_whose_owner_is_back_already_is_unchanged() -> None:
    fleet, changes = ran((ACTIVE, ON), None, OTHER)
    fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "42"}
    assert inverse(fleet, changes)["action"].to_list() == [Action.UNCHANGED]


@pytest.mark.parametrize("got_there", [True, False])
def test_a_step_that_nobody_knows_the_end_of_goes_back_or_is_back(got_there: bool) -> None:
    fleet, changes = ran((ACTIVE, ON), None, OTHER, sim=UNKNOWN)
    if got_there:
        fleet.held["1"] = {**fleet.held["1"], CUSTOMER: "43"}
    assert inverse(fleet, changes)["action"].to_list() == [Action.CHANGE if got_there else Action.UNCHANGED]


def test_a_refused_change_of_an_owner_is_nothing_to_undo() -> None:
    _, changes = ran((ACTIVE, ON), None, OTHER, sim=Outcome.REFUSED)
    assert changes.is_empty()


def test_a_status_without_a_way_back_keeps_its_owner_too() -> None:
    fleet, changes = ran((ISSUED, OFF), Target.ACTIVATED, OTHER)
    row = inverse(fleet, changes).row(0, named=True)
    assert (row["action"], row["owners_after"]) == (Action.REFUSED, None)
    assert "was Issued before the run, and nothing goes back there" in row["reason"]


def test_what_goes_back_can_be_read_as_an_input_file(tmp_path: Path) -> None:
    fleet, changes = ran((ACTIVE, ON), None, "customer_org_id=43, reseller_org_id=7")
    write_retry(undo_rows(inverse(fleet, changes)), tmp_path / "undo.csv")
    again = read_devices(tmp_path / "undo.csv")
    assert again.devices.select("sim_id", "desired", "owners").rows() == [
        ("1", None, "customer_org_id=42, reseller_org_id=none")
    ]

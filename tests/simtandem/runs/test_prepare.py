from dataclasses import replace

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.protocol import Listing
from simtandem.errors import CarrierUnavailable, InputError, LedgerError, PlanRefused
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs.prepare import problems, read_devices
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import RUNNING, fleet_of, sims


async def test_each_step_of_the_preparation_is_kept_and_recorded(make_run: MakeRun) -> None:
    run = make_run("sim_id\n1\n2\n\nnonsense\n1\n")
    await prepare(run, ActingCarrier(fleet_of(2)))
    record = run.ledger.run(run.run_id).record
    assert (record.file, record.rows, record.rejected) == ("devices.csv", 4, 1)
    assert run.ledger.rejected(run.run_id)["row"].to_list() == [5]
    assert run.ledger.plan(run.run_id).equals(run.folder.table("plan.parquet"))
    assert [each.state for each in run.ledger.states(run.run_id)] == [RunState.PLANNED]
    assert run.folder.file("plan.csv").exists()
    assert run.folder.file("invalid.csv").exists()


async def test_a_prepared_run_is_not_read_listed_or_planned_again(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(2))
    first = make_run(sims(2))
    await prepare(first, carrier)
    carrier.fleet.change_endpoint("101", EndpointStatus.ENABLED)
    again = make_run("sim_id\n77\n", prepared=first)
    await prepare(again, carrier)
    assert again.run_id == first.run_id
    assert carrier.finds == 1
    assert again.folder.table("plan.parquet")["sim_id"].to_list() == ["1", "2"]
    assert again.folder.plan_counts()["endpoint_changes"] == 2


def test_an_unusable_file_leaves_no_run(make_run: MakeRun) -> None:
    run = make_run("colour\nred\n")
    with pytest.raises(InputError):
        read_devices(run)
    assert run.ledger.runs() == []


async def test_a_carrier_out_of_reach_ends_the_preparation(make_run: MakeRun) -> None:
    with pytest.raises(CarrierUnavailable):
        await prepare(make_run(["1"]), ActingCarrier(fleet_of(1), away=True))


async def test_a_plan_that_only_looks_is_not_recorded_row_by_row(make_run: MakeRun) -> None:
    run = make_run(["1"], kind=RunKind.PLAN)
    await prepare(run, ActingCarrier(fleet_of(1)))
    assert run.ledger.plan(run.run_id).is_empty()
    assert run.ledger.states(run.run_id)[-1].detail["sim_changes"] == 1


async def test_what_the_plan_says_of_itself_is_what_it_holds(make_run: MakeRun) -> None:
    fleet = ModelFleet([device(1), device(2, *RUNNING), device(3, SimStatus.ISSUED, EndpointStatus.ENABLED)])
    run = make_run("sim_id\n1\n2\n3\n99\n1\n")
    await prepare(run, ActingCarrier(fleet))
    told = run.folder.plan_counts()
    expected = {"devices": 4, "sim_changes": 2, "endpoint_changes": 1, "unchanged": 1, "refused": 1, "newly_billed": 2}
    assert {name: count for name, count in told.items() if name in expected} == expected
    # Two SIMs, one call for the endpoints, and one listing page each to look again before them, and at the result.
    assert told["calls"] == 2 + 1 + 1 + 1
    assert len(told["digest"]) == 16


@pytest.mark.parametrize("whole", [True, False])
async def test_a_fleet_whose_share_is_too_large_is_refused_and_nothing_is_sent(make_run: MakeRun, whole: bool) -> None:
    carrier = ActingCarrier(fleet_of(20, *RUNNING), whole=whole, fleet_counts=(20, 20))
    run = make_run(sims(20), Target.SUSPENDED)
    with pytest.raises(PlanRefused, match="20 of 20 Activated SIMs"):
        await prepare(run, carrier)
    assert carrier.sent == []
    assert carrier.counts_asked == (0 if whole else 1)
    last = run.ledger.run(run.run_id)
    assert last.state is RunState.REFUSED
    assert "20 of 20" in str(last.detail["error"])
    assert run.folder.document()["exit_code"] == 3
    assert run.folder.document()["verdicts"]["skipped"] == 20


async def test_the_fleet_is_counted_where_a_partial_listing_leaves_it_open(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(20, *RUNNING), whole=False, fleet_counts=(1000, 900))
    await prepare(make_run(sims(20), Target.SUSPENDED), carrier)
    assert carrier.counts_asked == 1


@pytest.mark.parametrize(
    ("target", "accept_large", "whole"),
    [(Target.ACTIVATED, False, False), (Target.SUSPENDED, True, False), (Target.SUSPENDED, False, True)],
)
async def test_the_fleet_is_not_counted_where_it_would_decide_nothing(
    make_run: MakeRun, target: Target, accept_large: bool, whole: bool
) -> None:
    devices = [device(number, *RUNNING) for number in range(1, 21)]
    carrier = ActingCarrier(ModelFleet(devices), whole=whole)
    await prepare(make_run(["1", "2"], target, accept_large=accept_large), carrier)
    assert carrier.counts_asked == 0


BARE = replace(EMNIFY, abilities=frozenset())
"""The same rules at a carrier whose interface reads and changes single devices, and no more."""


async def test_without_counting_the_limit_is_a_number_and_the_refusal_says_so(make_run: MakeRun) -> None:
    few = ActingCarrier(fleet_of(9, *RUNNING), lifecycle=BARE, whole=False)
    await prepare(make_run(sims(9), Target.SUSPENDED), few)
    many = ActingCarrier(fleet_of(10, *RUNNING), lifecycle=BARE, whole=False)
    with pytest.raises(PlanRefused, match="10 SIMs would be suspended, and it is not known what share"):
        await prepare(make_run(sims(10), Target.SUSPENDED), many)
    assert few.counts_asked == many.counts_asked == 0


async def test_owners_are_refused_in_a_sentence_where_the_carrier_knows_none(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(1, *RUNNING), lifecycle=BARE)
    with pytest.raises(InputError, match="emnify can't change whose a SIM is: take the columns") as refused:
        await prepare(make_run("sim_id,customer_org_id\n1,42\n", None), carrier)
    assert "Nothing was sent" in str(refused.value)
    assert carrier.owners_asked == []


async def test_the_fleet_is_not_counted_where_the_part_that_was_seen_is_large_enough(make_run: MakeRun) -> None:
    class Partly(ActingCarrier):
        """Has listed at least so many, and does not know the rest."""

        async def find(self, devices: pl.DataFrame) -> Listing:
            found = await super().find(devices)
            return Listing(found.inventory, whole=False, sims=100, activated=100)

    carrier = Partly(fleet_of(20, *RUNNING))
    await prepare(make_run(sims(20), Target.SUSPENDED), carrier)
    assert carrier.counts_asked == 0
    more = Partly(fleet_of(31, *RUNNING), fleet_counts=(1000, 1000))
    await prepare(make_run(sims(31), Target.SUSPENDED), more)
    assert more.counts_asked == 1, "31 of at least 100 may be too many"


async def test_only_the_approved_plan_passes(make_run: MakeRun) -> None:
    first = make_run(["1"])
    await prepare(first, ActingCarrier(fleet_of(1)))
    digest = first.folder.plan_counts()["digest"]
    await prepare(make_run(["1"], plan_digest=digest), ActingCarrier(fleet_of(1)))
    changed = ActingCarrier(fleet_of(1, SimStatus.SUSPENDED))
    with pytest.raises(PlanRefused, match=digest):
        await prepare(make_run(["1"], plan_digest=digest, accept_large=True), changed)


async def test_the_number_of_newly_billed_sims_is_limited_where_set(make_run: MakeRun) -> None:
    with pytest.raises(PlanRefused, match="2 SIMs would be newly billed"):
        await prepare(make_run(sims(2), settings={"max_newly_billed": 1}), ActingCarrier(fleet_of(2)))


@pytest.mark.parametrize("name", ["devices.parquet", "inventory.parquet", "plan.parquet", "plan.json", "intake.json"])
async def test_a_full_disk_is_told_in_an_operators_words(make_run: MakeRun, name: str) -> None:
    run = make_run(["1"])
    work = run.folder.path / "work"
    work.mkdir(parents=True)
    (work / f"{name}.partial").symlink_to("/dev/full")
    with pytest.raises(LedgerError, match=r"can't be written to .*No space left"):
        await prepare(run, ActingCarrier(fleet_of(1)))


def test_a_run_folder_that_can_not_be_made_is_told_in_an_operators_words(make_run: MakeRun) -> None:
    run = make_run(["1"])
    run.settings.runs_folder.write_text("in the way")
    with pytest.raises(LedgerError, match="can't be written"):
        read_devices(run)


async def test_problems_are_rejected_and_refused_rows_in_the_files_order(make_run: MakeRun) -> None:
    run = make_run("sim_id\n99\nnonsense\n1\n98\n")
    await prepare(run, ActingCarrier(fleet_of(1)))
    told = problems(run.folder)
    assert [row for row, _ in told] == [2, 3, 5]
    assert told[1][1].startswith("sim_id 'nonsense': ")
    assert told[0][1] == "SIM 99 is not in the carrier's inventory"

"""An endpoint may have another SIM by the time it is changed, and a SIM may be anywhere: a look shows it."""

from dataclasses import replace

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus, Target
from simtandem.domain.own_calls import AFTER_CALL
from simtandem.runs import finish
from simtandem.runs.fresh_look import note_confirmed
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import Refused
from tests.simtandem.runs.conftest import MakeRun
from tests.simtandem.runs.desk import RESTING, TESTING, Desk, sit_down
from tests.simtandem.runs.sending import ENDPOINT, RUNNING, SIM, fleet_of, outcomes, said, sims, state


def only_endpoints(run: Run) -> None:
    """A plan that leaves the SIMs where they are, as an undo can."""
    plan = run.folder.table("plan.parquet")
    stay = plan.with_columns(
        sim_step=False, sim_after="sim_before", newly_billed=False, desired=pl.lit(None, pl.String)
    )
    run.folder.save_table("plan.parquet", stay)


async def test_an_endpoint_alone_is_not_changed_beside_a_sim_that_was_put_into_factory_test(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(sims(2)), fleet_of(2))
    only_endpoints(desk.run)
    note_confirmed(desk.run)
    desk.move(2, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
    await desk.send_all()
    assert desk.carrier.sent == [(ENDPOINT, "101")], "the carrier would have activated the other SIM"
    assert said(desk.run, 2, ENDPOINT) == "moved since the plan was made: it is Factory Test+Disabled now"


@pytest.mark.parametrize("moved", [True, False])
async def test_an_endpoint_is_put_back_on_a_look_that_is_not_old(make_run: MakeRun, *, moved: bool) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1))
    desk.carrier.acts["1"] = [Refused()]

    def meanwhile(ident: str | tuple[str, ...]) -> None:
        if ident == "1":
            desk.time.passes()
            if moved:
                desk.move(1, *TESTING)

    desk.carrier.before_change = meanwhile
    await desk.send_all()
    assert desk.carrier.put_back == ([] if moved else ["101"])
    assert state(desk.fleet, 1) == (TESTING if moved else RESTING)


async def test_the_endpoint_of_a_suspended_sim_needs_one_once_the_last_is_old(make_run: MakeRun) -> None:
    """It may have a SIM by then that is nowhere in the file, and in Factory Test: the carrier would activate that."""
    desk = await sit_down(make_run(sims(2), Target.SUSPENDED), fleet_of(2, *RUNNING))

    def meanwhile(ident: str | tuple[str, ...]) -> None:
        if ident == "2":
            desk.time.passes()
            other = desk.fleet.devices[0]
            desk.fleet.devices.append(replace(other, sim_id="9", iccid=None, sim=SimStatus.FACTORY_TEST))
            other.endpoint_id = other.endpoint = None

    desk.carrier.before_change = meanwhile
    await desk.send_all()
    assert desk.carrier.reads == [[("1", "101"), ("2", "102")]]
    assert desk.carrier.sent == [(SIM, "1"), (SIM, "2"), (ENDPOINT, "102")]
    assert outcomes(desk.run)[1, ENDPOINT] is Outcome.HELD
    assert state(desk.fleet, 3) == TESTING


@pytest.mark.parametrize("sim", [SimStatus.ACTIVATED, SimStatus.SUSPENDED])
async def test_an_endpoint_alone_needs_one_wherever_its_sim_was(make_run: MakeRun, sim: SimStatus) -> None:
    """Those of Suspended SIMs may have another SIM; and who moves SIMs in the portal moves them anywhere."""
    wanted = Target.ACTIVATED if sim is SimStatus.ACTIVATED else Target.SUSPENDED
    split = EndpointStatus.DISABLED if sim is SimStatus.ACTIVATED else EndpointStatus.ENABLED
    desk = await sit_down(make_run(sims(2), wanted), fleet_of(2, sim, split))
    note_confirmed(desk.run)
    desk.move(1, SimStatus.FACTORY_TEST, split)
    await desk.send_all()
    assert desk.carrier.sent == [(ENDPOINT, "102")]
    assert state(desk.fleet, 1) == (SimStatus.FACTORY_TEST, split)


async def test_endpoints_that_wait_for_their_turn_are_looked_at_again_as_well(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(sims(2)), fleet_of(2))

    def wait() -> None:
        desk.time.passes()
        desk.move(1, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)

    desk.carrier.before_turn = [wait]
    await desk.send_all()
    assert state(desk.fleet, 1) == (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
    assert state(desk.fleet, 2) == RUNNING


async def test_an_endpoint_that_has_another_sim_by_then_is_not_put_back(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1))
    desk.carrier.acts["1"] = [Refused()]

    def meanwhile(ident: str | tuple[str, ...]) -> None:
        if ident == "1":
            desk.time.passes()
            given_another_sim(desk, SimStatus.ISSUED)

    desk.carrier.before_change = meanwhile
    await desk.send_all()
    assert desk.carrier.put_back == []
    assert outcomes(desk.run)[1, ENDPOINT] is Outcome.APPLIED, "it is still where this run put it"
    assert state(desk.fleet, 2) == (SimStatus.ISSUED, EndpointStatus.ENABLED)


async def test_what_is_held_because_its_endpoint_moved_names_the_sim_that_has_it(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1))
    note_confirmed(desk.run)
    given_another_sim(desk, SimStatus.FACTORY_TEST)
    await desk.send_all()
    assert desk.carrier.sent == []
    told = "moved since the plan was made: its endpoint is none now, and endpoint 101 has SIM 9"
    assert said(desk.run, 1, ENDPOINT) == told


async def test_a_sim_that_the_endpoints_call_activated_is_recorded_as_found_after_it(make_run: MakeRun) -> None:
    """It looks as planned, and someone had put it into Factory Test: the row says what may have billed it."""
    desk = await sit_down(make_run(sims(2)), fleet_of(2))

    def meanwhile(ident: str | tuple[str, ...]) -> None:
        if ident == ("101", "102"):
            desk.move(1, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
            desk.time.passes()

    desk.carrier.before_change = meanwhile
    await desk.send_all()
    assert outcomes(desk.run)[1, SIM] is Outcome.UNCHANGED
    assert (said(desk.run, 1, SIM), said(desk.run, 2, SIM)) == (AFTER_CALL, "")
    await finish.reconcile(desk.run, desk.carrier)
    told = finish.finish(desk.run)
    assert told["verdicts"]["in_sync"] == 2
    reasons = desk.run.ledger.results(desk.run.run_id)["reason"].to_list()
    assert reasons[0].startswith("as asked; the SIM was Activated before its own call was sent: ")
    assert reasons[1] == ""
    assert any(each.startswith("1 SIM is charged, perhaps because of this run's own") for each in told["warnings"])
    assert told["changed"]["newly_billed"] == 1


async def test_another_sim_that_the_call_may_have_activated_is_named(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1))

    def meanwhile(ident: str | tuple[str, ...]) -> None:
        if ident == ("101",):
            given_another_sim(desk, SimStatus.FACTORY_TEST)
            desk.time.passes()

    desk.carrier.before_change = meanwhile
    await desk.send_all()
    assert state(desk.fleet, 2) == RUNNING, "the carrier does that"
    await finish.reconcile(desk.run, desk.carrier)
    told = finish.finish(desk.run)
    [reason] = desk.run.ledger.results(desk.run.run_id)["reason"].to_list()
    assert "endpoint 101 belongs to SIM 9 now, which is Activated, perhaps because of this run's own endpoint" in reason
    assert told["warnings"][0].startswith("1 SIM is charged, perhaps because of this run's own endpoint call")


def given_another_sim(desk: Desk, status: SimStatus) -> None:
    """Somebody takes the first device's SIM out and puts another one in."""
    first = desk.fleet.devices[0]
    desk.fleet.devices.append(replace(first, sim_id="9", iccid=None, sim=status))
    first.endpoint_id = first.endpoint = None

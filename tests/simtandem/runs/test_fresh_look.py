"""What costs money, or can't be undone, is looked at again before it is sent on an old look."""

from datetime import timedelta

import pytest

from schemas.organisations import OwnerField
from schemas.statuses import EndpointStatus, Outcome, SimStatus, Target
from simtandem.runs import finish
from simtandem.runs.fresh_look import note_confirmed
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import ActingCarrier, Silent
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.desk import RESTING, TESTING, Desk, age, sit_down
from tests.simtandem.runs.sending import ENDPOINT, RUNNING, SIM, fleet_of, outcomes, said, send, sims, state


async def test_a_sim_put_into_factory_test_while_the_question_stood_is_not_activated(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(sims(3)), fleet_of(3))
    note_confirmed(desk.run)
    desk.move(2, *TESTING)
    await desk.send_all()
    assert state(desk.fleet, 2) == TESTING
    assert desk.carrier.sent == [(ENDPOINT, "101"), (ENDPOINT, "103"), (SIM, "1"), (SIM, "3")]
    assert outcomes(desk.run)[2, SIM] is Outcome.HELD
    assert said(desk.run, 2, SIM) == "moved since the plan was made: it is Factory Test+Enabled now"
    await finish.reconcile(desk.run, desk.carrier)
    assert finish.finish(desk.run)["verdicts"]["changed_by_others"] == 1


async def test_a_device_that_somebody_activated_while_the_question_stood_is_unchanged(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(sims(2)), fleet_of(2))
    note_confirmed(desk.run)
    desk.move(1, *RUNNING)
    await desk.send_all()
    assert desk.carrier.sent == [(ENDPOINT, "102"), (SIM, "2")]
    assert [outcomes(desk.run)[1, half] for half in (ENDPOINT, SIM)] == [Outcome.UNCHANGED] * 2
    await finish.reconcile(desk.run, desk.carrier)
    assert finish.finish(desk.run)["exit_code"] == 0


async def test_a_suspended_sim_that_was_deleted_while_the_question_stood_is_held(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1, SimStatus.SUSPENDED))
    note_confirmed(desk.run)
    desk.move(1, SimStatus.DELETED, EndpointStatus.DISABLED)
    await desk.send_all()
    assert desk.carrier.sent == []


@pytest.mark.parametrize(("minutes", "looks"), [(0, 0), (2, 1), (-2, 1)])
async def test_a_listing_that_may_be_older_than_a_minute_is_not_good_enough(
    make_run: MakeRun, minutes: int, looks: int
) -> None:
    desk = await sit_down(make_run(sims(2), batch_size=1), fleet_of(2))
    age(desk.run, timedelta(minutes=minutes))
    await desk.send_all()
    assert len(desk.carrier.reads) == looks, "all at once, and no batch looks again right after it"
    assert set(outcomes(desk.run).values()) == {Outcome.APPLIED}


async def test_suspending_a_sim_needs_no_fresh_look(make_run: MakeRun) -> None:
    off = fleet_of(2, SimStatus.ACTIVATED, EndpointStatus.DISABLED)
    desk = await sit_down(make_run(sims(2), Target.SUSPENDED), off)
    note_confirmed(desk.run)
    await desk.send_all()
    assert desk.carrier.reads == []
    assert set(outcomes(desk.run).values()) == {Outcome.APPLIED}


async def test_only_the_devices_that_would_cost_money_are_looked_at(make_run: MakeRun) -> None:
    fleet = ModelFleet([device(1), device(2, SimStatus.ACTIVATED, EndpointStatus.DISABLED), device(3)])
    run = make_run("sim_id,status\n1,activated\n2,suspended\n3,factory_test\n", to=None)
    desk = await sit_down(run, fleet)
    note_confirmed(run)
    await desk.send_all()
    assert desk.carrier.reads == [[("1", "101"), ("3", "103")]]
    assert len(desk.carrier.sent) == 5


async def test_an_owner_changed_while_the_question_stood_is_left_to_whoever_did_it(make_run: MakeRun) -> None:
    run = make_run("sim_id,customer_org_id\n1,43\n", to=None, change_owners=True)
    carrier = ActingCarrier(fleet_of(1, *RUNNING))
    carrier.owners["1"] = {OwnerField.CUSTOMER: "42", OwnerField.ISSUER: "1"}
    await prepare(run, carrier)
    note_confirmed(run)
    carrier.owners["1"][OwnerField.CUSTOMER] = "99"
    await Desk(run, carrier).send_all()
    assert carrier.sent == []
    assert outcomes(run)[1, SIM] is Outcome.HELD


async def test_a_batch_that_comes_late_looks_at_its_own_devices_again(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(sims(3), batch_size=1), fleet_of(3))
    async with desk.sending() as applying:
        for work in applying.batches():
            await send(applying, work)
            if work.batch.number == 1:
                desk.time.passes()
                desk.move(2, *TESTING)
                desk.move(3, *RUNNING)
    assert desk.carrier.reads == [[("2", "102")], [("3", "103")]]
    assert [call for call in desk.carrier.sent if call[1] not in ("1", "101")] == []
    assert state(desk.fleet, 2) == TESTING
    assert {outcomes(desk.run)[3, half] for half in (ENDPOINT, SIM)} == {Outcome.UNCHANGED}


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (TESTING, TESTING),
        ((SimStatus.SUSPENDED, EndpointStatus.ENABLED), (SimStatus.SUSPENDED, EndpointStatus.DISABLED)),
        ((SimStatus.SUSPENDED, EndpointStatus.DISABLED), (SimStatus.SUSPENDED, EndpointStatus.DISABLED)),
        (RESTING, RESTING),
    ],
)
async def test_a_second_half_that_comes_late_is_not_sent_to_a_pair_that_moved(
    make_run: MakeRun, found: tuple[SimStatus, EndpointStatus], left: tuple[SimStatus, EndpointStatus]
) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1))
    async with desk.sending() as applying:
        for work in applying.batches():
            await applying.apply(work, work.first)
            desk.time.passes()
            desk.move(1, *found)
            await applying.apply(work, work.second)
            await applying.finish(work)
    assert desk.carrier.sent == [(ENDPOINT, "101")]
    assert state(desk.fleet, 1) == left
    assert desk.fleet.illegal == [], "an endpoint that is back already is not put back"


async def test_a_second_half_that_comes_late_is_sent_where_nothing_moved(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1))
    async with desk.sending() as applying:
        for work in applying.batches():
            await applying.apply(work, work.first)
            desk.time.passes()
            await applying.apply(work, work.second)
    assert state(desk.fleet, 1) == RUNNING
    assert desk.carrier.reads == [[("1", "101")]]


async def test_a_call_that_waits_for_its_turn_until_its_look_is_old_is_not_sent_before_another_look(
    make_run: MakeRun,
) -> None:
    desk = await sit_down(make_run(sims(2)), fleet_of(2, SimStatus.ISSUED, EndpointStatus.ENABLED))

    def wait() -> None:
        desk.time.passes()
        desk.move(1, *TESTING)

    desk.carrier.before_turn = [wait]
    await desk.send_all()
    assert desk.carrier.sent == [(SIM, "2")]
    assert outcomes(desk.run)[1, SIM] is Outcome.HELD
    assert state(desk.fleet, 1) == TESTING


async def test_what_a_call_without_answer_did_counts_as_applied_when_it_is_seen_later(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1, SimStatus.ISSUED, EndpointStatus.ENABLED))
    desk.carrier.acts = {"1": [Silent(carried_out=True)]}
    async with desk.sending() as applying:
        for work in applying.batches():
            await send(applying, work, retries=1)
    assert outcomes(desk.run)[1, SIM] is Outcome.APPLIED


async def test_where_calls_come_one_by_one_no_more_is_looked_at_than_can_be_sent_in_time(make_run: MakeRun) -> None:
    run = make_run(sims(6), settings={"calls": 4, "calls_window_s": 60.0, "calls_reserve": 0})
    carrier = ActingCarrier(fleet_of(6), pages=None)
    await prepare(run, carrier)
    note_confirmed(run)
    desk = Desk(run, carrier)
    await desk.send_all()
    assert [len(read) for read in carrier.reads] == [2, 2, 2]
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_a_budget_that_never_lets_a_fresh_call_go_ends_the_trying(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(["1"]), fleet_of(1, SimStatus.ISSUED, EndpointStatus.ENABLED))
    desk.carrier.before_turn = [desk.time.passes] * 99
    await desk.send_all()
    assert desk.carrier.sent == []
    assert "the call budget leaves no time" in said(desk.run, 1, SIM)
    assert len(desk.carrier.reads) < 20


async def test_an_outage_during_the_look_leaves_the_batch_to_be_tried_again(make_run: MakeRun) -> None:
    desk = await sit_down(make_run(sims(2), batch_size=1), fleet_of(2))
    async with desk.sending() as applying:
        first, second = applying.batches()
        await send(applying, first)
        desk.time.passes()
        desk.carrier.away = True
        await send(applying, second)
    assert {outcomes(desk.run)[2, half] for half in (ENDPOINT, SIM)} == {Outcome.HELD}
    assert len(desk.carrier.sent) == 2


async def test_the_planned_calls_have_a_look_before_sending_and_one_for_each_batch_that_comes_late(
    make_run: MakeRun,
) -> None:
    settings = {"calls": 10, "calls_reserve": 0}
    run = make_run(sims(20), batch_size=5, settings=settings)
    await sit_down(run, fleet_of(20))
    sends, look, result = 20 + 4, 1, 1
    late = -(-(sends + result - 10) // 5)
    assert run.folder.plan_counts()["calls"] == sends + look + result + late


async def test_looks_by_listing_cost_its_pages_also_where_only_endpoints_were_listed(make_run: MakeRun) -> None:
    run, carrier = make_run(sims(20)), ActingCarrier(fleet_of(20), whole=False, pages=2)
    await prepare(run, carrier)
    sends, look, result = 20 + 1, 2, 2
    assert run.folder.plan_counts()["calls"] == sends + look + result


async def test_where_devices_were_read_by_id_a_look_costs_one_call_each(make_run: MakeRun) -> None:
    run, carrier = make_run(sims(3)), ActingCarrier(fleet_of(3), pages=None)
    await prepare(run, carrier)
    assert run.folder.plan_counts()["calls"] == 3 + 1 + 3 + 3

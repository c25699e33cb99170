import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem import watching
from simtandem.errors import CarrierRefused, CarrierUnavailable, LedgerError
from simtandem.job.applying import Applying
from simtandem.job.run import Run
from simtandem.ledger.records import RunState
from simtandem.ledger.writing import CallWriter
from simtandem.watching import Watcher
from tests.simtandem.job.acting_carrier import (
    Act,
    ActingCarrier,
    Broken,
    Endless,
    Failed,
    Refused,
    Silent,
    There,
    Unreached,
)
from tests.simtandem.job.conftest import Begun, MakeRun, planned
from tests.simtandem.job.sending import RESTING, RUNNING, fleet_of, outcomes, said, send, send_all, sims, state
from tests.simtandem.model_fleet import ModelFleet, device

SIM, ENDPOINT = Half.SIM, Half.ENDPOINT


async def test_activating_goes_endpoint_first_and_suspending_sim_first(make_run: MakeRun, begun: Begun) -> None:
    going_up, going_down = ActingCarrier(fleet_of(1)), ActingCarrier(fleet_of(1, *RUNNING))
    async with begun(make_run(["1"], Target.ACTIVATED), going_up) as applying:
        await send_all(applying)
    async with begun(make_run(["1"], Target.SUSPENDED), going_down) as applying:
        await send_all(applying)
    assert going_up.sent == [(ENDPOINT, "101"), (SIM, "1")]
    assert going_down.sent == [(SIM, "1"), (ENDPOINT, "101")]
    assert not going_up.fleet.paying_but_off + going_down.fleet.paying_but_off


async def test_out_of_factory_test_the_sim_goes_before_its_endpoint_is_touched(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(1, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED))
    async with begun(make_run(["1"]), carrier) as applying:
        await send_all(applying)
    assert carrier.sent == [(SIM, "1"), (ENDPOINT, "101")]


async def test_a_half_that_is_right_already_is_not_sent(make_run: MakeRun, begun: Begun) -> None:
    fleet = ModelFleet([device(1, SimStatus.ISSUED, EndpointStatus.ENABLED), device(2, *RUNNING)])
    carrier = ActingCarrier(fleet)
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert carrier.sent == [(SIM, "1")]
    assert outcomes(run) == {(1, SIM): Outcome.APPLIED}


@pytest.mark.parametrize(
    ("target", "before", "first", "ident"),
    [
        (Target.ACTIVATED, RESTING, ENDPOINT, "102"),
        (Target.SUSPENDED, RUNNING, SIM, "2"),
    ],
)
@pytest.mark.parametrize("act", [Refused(), Failed()])
async def test_the_partner_of_a_first_half_that_did_not_happen_is_held(
    make_run: MakeRun,
    begun: Begun,
    target: Target,
    before: tuple[SimStatus, EndpointStatus],
    first: Half,
    ident: str,
    act: Refused | Failed,
) -> None:
    carrier = ActingCarrier(fleet_of(3, *before), acts={ident: [act]})
    run = make_run(sims(3), target)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    second = SIM if first is ENDPOINT else ENDPOINT
    ended = outcomes(run)
    assert ended.pop((2, first)) == (Outcome.REFUSED if act == Refused() else Outcome.FAILED)
    assert ended.pop((2, second)) is Outcome.HELD
    assert set(ended.values()) == {Outcome.APPLIED}
    assert said(run, 2, second) == "its partner was not changed"
    assert (second, "2" if second is SIM else "102") not in carrier.sent


async def test_the_partner_of_a_first_half_that_is_unknown_is_held(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(2, *RUNNING), acts={"2": [Silent()]})
    run = make_run(sims(2), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert outcomes(run) == {
        (1, SIM): Outcome.APPLIED,
        (1, ENDPOINT): Outcome.APPLIED,
        (2, SIM): Outcome.UNKNOWN,
        (2, ENDPOINT): Outcome.HELD,
    }


async def test_a_first_half_found_there_already_lets_its_partner_go(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(1, *RUNNING), acts={"1": [There()]})
    run = make_run(["1"], Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert outcomes(run) == {(1, SIM): Outcome.UNCHANGED, (1, ENDPOINT): Outcome.APPLIED}


@pytest.mark.parametrize("act", [Refused(), Refused(SimStatus.ISSUED), Failed(SimStatus.SUSPENDED), Failed()])
async def test_an_endpoint_whose_sim_did_not_follow_is_put_back(
    make_run: MakeRun, begun: Begun, watcher: Watcher, act: Refused | Failed
) -> None:
    carrier = ActingCarrier(fleet_of(2), acts={"2": [act]})
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert carrier.put_back == ["102"]
    assert state(carrier.fleet, 2) == RESTING
    assert state(carrier.fleet, 1) == RUNNING
    assert outcomes(run)[2, ENDPOINT] is Outcome.HELD
    assert said(run, 2, ENDPOINT) == "put back to Disabled: the SIM did not follow"


@pytest.mark.parametrize(
    "act", [Refused(SimStatus.FACTORY_TEST), Refused(SimStatus.ACTIVATED), Failed(SimStatus.ACTIVATED), Silent()]
)
async def test_an_endpoint_stays_where_putting_it_back_could_cost(
    make_run: MakeRun, begun: Begun, act: Refused | Failed | Silent
) -> None:
    carrier = ActingCarrier(fleet_of(1), acts={"1": [act]})
    run = make_run(["1"])
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert carrier.put_back == []
    assert outcomes(run)[1, ENDPOINT] is Outcome.APPLIED


async def test_an_endpoint_that_was_not_ours_to_change_is_not_put_back(make_run: MakeRun, begun: Begun) -> None:
    fleet = ModelFleet([device(1, SimStatus.ISSUED, EndpointStatus.ENABLED), device(2)])
    carrier = ActingCarrier(fleet, acts={"1": [Refused()], "102": [There()], "2": [Refused()]})
    async with begun(make_run(sims(2)), carrier) as applying:
        await send_all(applying)
    assert carrier.put_back == []


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (Unreached(), Outcome.APPLIED),
        (Refused(), Outcome.APPLIED),
        (Failed(), Outcome.APPLIED),
        (Silent(), Outcome.UNKNOWN),
        (Silent(carried_out=True), Outcome.UNKNOWN),
    ],
)
async def test_an_endpoint_that_was_not_put_back_is_told_as_it_is_known(
    make_run: MakeRun, begun: Begun, act: Act, told: Outcome
) -> None:
    carrier = ActingCarrier(fleet_of(1), acts={"1": [Refused()]})
    run = make_run(["1"])
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        await applying.apply_first_half(work)
        carrier.acts["101"] = [act]
        await applying.apply_second_half(work)
        await applying.finish(work)
    assert outcomes(run) == {(1, ENDPOINT): told, (1, SIM): Outcome.REFUSED}


async def test_a_silent_sim_does_not_keep_the_endpoints_of_others_from_being_put_back(
    make_run: MakeRun, begun: Begun
) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"1": [Refused()], "2": [Silent()] * 9, "3": [Unreached()] * 9})
    run = make_run(sims(3))
    async with begun(run, carrier) as applying:
        await send_all(applying, retries=1)
    assert carrier.put_back == ["101"]
    assert {number: outcomes(run)[number, ENDPOINT] for number in (1, 2, 3)} == {
        1: Outcome.HELD,
        2: Outcome.APPLIED,
        3: Outcome.APPLIED,
    }


async def test_sims_are_changed_side_by_side_as_many_as_set(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(12))
    async with begun(make_run(sims(12), settings={"sim_concurrency": 3}), carrier) as applying:
        await send_all(applying)
    assert carrier.most_on_the_way == 3


async def test_endpoints_of_a_batch_go_in_one_call(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(5))
    async with begun(make_run(sims(5), batch_size=3), carrier) as applying:
        await send_all(applying)
    assert carrier.endpoint_calls == [["101", "102", "103"], ["104", "105"]]


async def test_each_half_tells_what_became_of_it(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"102": [Refused()], "3": [Refused(SimStatus.ACTIVATED)]})
    async with begun(make_run(sims(3)), carrier) as applying:
        work = next(applying.batches())
        assert await applying.apply_first_half(work) == "2 applied, 1 refused"
        assert await applying.apply_second_half(work) == "1 applied, 1 held, 1 refused"


async def test_a_half_without_steps_has_nothing_to_send(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(1, SimStatus.ISSUED, EndpointStatus.ENABLED))
    async with begun(make_run(["1"]), carrier) as applying:
        assert await applying.apply_first_half(next(applying.batches())) == "nothing to send"


async def test_the_record_and_the_watcher_know_what_is_about_to_be_sent(make_run: MakeRun, begun: Begun) -> None:
    class Counting(Watcher):
        """Remembers what it is told."""

        told: tuple[int, int] = (0, 0)
        ends: list[tuple[Half, Outcome]] = []  # noqa: RUF012 - one watcher only

        def applies(self, sim_steps: int, endpoint_steps: int, waiting_s: object) -> None:
            self.told = (sim_steps, endpoint_steps)

        def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:
            self.ends += [(half, outcome)] * count

    counting = Counting()
    watching.watch(counting)
    fleet = ModelFleet([device(1, SimStatus.ISSUED, EndpointStatus.ENABLED), device(2), device(3)])
    run = make_run(sims(3), batch_size=2)
    async with begun(run, ActingCarrier(fleet, acts={"2": [Refused()]})) as applying:
        assert counting.told == (3, 2)
        await send_all(applying)
    assert run.ledger.states(run.run_id)[-1].state is RunState.APPLYING
    assert run.ledger.states(run.run_id)[-1].detail == {"batches": 2}
    assert len(counting.ends) == 5, "a step is told once, even where its endpoint is put back later"


async def test_an_outage_stops_the_sending_until_it_is_tried_again(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(40, SimStatus.ISSUED, EndpointStatus.ENABLED))
    carrier.acts = {number: [Unreached()] for number in sims(40)}
    tried: list[object] = []
    carrier.before_change = tried.append
    run = make_run(sims(40))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        await applying.apply_first_half(work)
        with pytest.raises(CarrierUnavailable, match="40 of 40 sim changes of batch 1 are still open"):
            await applying.apply_second_half(work)
        assert len(tried) <= 8 + 2, "8 in a row are an outage, and two are on their way"
        carrier.acts.clear()
        assert await applying.apply_second_half(work) == "40 applied"


async def test_single_silent_sims_are_no_outage(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(40, *RUNNING), acts={str(number): [Silent()] for number in range(2, 40, 2)})
    run = make_run(sims(40), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable, match="19 of 40 sim changes"):
            await applying.apply_first_half(work)
    assert len(carrier.sent) == 40


async def test_after_an_outage_only_what_did_not_happen_is_sent_again(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4, *RUNNING))
    carrier.acts = {"2": [Silent(carried_out=True)], "3": [Silent()], "4": [Unreached()]}
    run = make_run(sims(4), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        before = len(carrier.sent)
        await applying.apply_first_half(work)
    assert sorted(carrier.sent[before:]) == [(SIM, "3"), (SIM, "4")]
    assert carrier.fleet.illegal == []
    assert {outcomes(run)[number, SIM] for number in range(1, 5)} == {Outcome.APPLIED}


async def test_after_an_outage_endpoints_that_moved_are_taken_in(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"101": [Silent(carried_out=True)]})
    run = make_run(sims(3))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        await applying.apply_first_half(work)
        await applying.apply_second_half(work)
    assert carrier.endpoint_calls == [["101", "102", "103"], ["102", "103"]]
    assert [state(carrier.fleet, number) for number in (1, 2, 3)] == [RUNNING] * 3
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_nothing_is_sent_again_while_it_can_not_be_read(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(2, *RUNNING), acts={"1": [Silent(carried_out=True)]})
    async with begun(make_run(sims(2), Target.SUSPENDED), carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        before, carrier.away = len(carrier.sent), True
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
    assert len(carrier.sent) == before


async def test_an_outage_without_end_leaves_every_step_its_true_outcome(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(30, *RUNNING))
    carrier.acts = {number: [Unreached()] * 9 for number in sims(30)}
    carrier.acts["2"] = [Silent()] * 9
    carrier.acts["1"] = []
    run = make_run(sims(30), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    ended = outcomes(run)
    assert ended[1, SIM] is Outcome.APPLIED
    assert ended[2, SIM] is Outcome.UNKNOWN
    assert ended[3, SIM] is Outcome.FAILED
    assert ended[30, SIM] is Outcome.HELD, "never sent"
    assert ended[1, ENDPOINT] is Outcome.APPLIED
    assert {ended[number, ENDPOINT] for number in range(2, 31)} == {Outcome.HELD}
    assert "not answered" in said(run, 2, SIM)
    assert said(run, 3, SIM) == said(run, 30, SIM) == "the carrier could not be reached"


async def test_an_outage_of_the_first_half_does_not_break_the_second(make_run: MakeRun, begun: Begun) -> None:
    """The endpoints of one batch never got a result; whatever is known of the others must not be lost over it."""
    carrier = ActingCarrier(fleet_of(2), acts={"101": [Unreached()] * 9})
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        assert await applying.apply_second_half(work) == "2 held"
        await applying.finish(work)
    assert {outcomes(run)[number, ENDPOINT] for number in (1, 2)} == {Outcome.FAILED}
    assert {outcomes(run)[number, SIM] for number in (1, 2)} == {Outcome.HELD}


async def test_an_interrupt_lets_what_is_on_its_way_finish_and_holds_the_rest(
    make_run: MakeRun, begun: Begun, watcher: Watcher
) -> None:
    carrier = ActingCarrier(fleet_of(10, *RUNNING))
    carrier.before_change = lambda ident: watcher.stop() if ident == "4" else None
    run = make_run(sims(10), Target.SUSPENDED, batch_size=6)
    async with begun(run, carrier) as applying:
        await send_all(applying)
        assert applying.interrupted
    ended = outcomes(run)
    applied = {number for number in range(1, 11) if ended[number, SIM] is Outcome.APPLIED}
    assert {(SIM, str(number)) for number in applied} == set(carrier.sent), "all that was sent is recorded"
    assert {1, 2, 3, 4} <= applied <= {1, 2, 3, 4, 5}
    assert {ended[number, SIM] for number in range(6, 11)} == {Outcome.HELD}
    assert {ended[number, ENDPOINT] for number in range(1, 11)} == {Outcome.HELD}
    assert said(run, 10, SIM) == said(run, 1, ENDPOINT) == "the run was interrupted"


async def test_a_stop_asked_for_before_the_sending_holds_everything(
    make_run: MakeRun, begun: Begun, watcher: Watcher
) -> None:
    watcher.stop()
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert carrier.sent == []
    assert set(outcomes(run).values()) == {Outcome.HELD}


async def test_an_interrupt_during_an_outage_ends_in_good_order(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3, *RUNNING), acts={"1": [Silent()], "2": [Unreached()]})
    run = make_run(sims(3), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        applying.interrupt()
        await send(applying, work)
    ended = outcomes(run)
    assert (ended[1, SIM], ended[2, SIM], ended[3, SIM]) == (Outcome.UNKNOWN, Outcome.FAILED, Outcome.APPLIED)


async def test_an_interrupt_while_an_outage_is_looked_at_ends_in_good_order(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(2, *RUNNING), acts={"1": [Silent()], "2": [Unreached()]})
    run = make_run(sims(2), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        carrier.halt_at_next_turn(applying.interrupt)
        await send(applying, work)
    assert (outcomes(run)[1, SIM], outcomes(run)[2, SIM]) == (Outcome.UNKNOWN, Outcome.FAILED)


async def test_an_interrupt_before_endpoints_are_tried_again_keeps_what_was_tried(
    make_run: MakeRun, begun: Begun
) -> None:
    carrier = ActingCarrier(fleet_of(1), acts={"101": [Unreached()]})
    run = make_run(["1"])
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply_first_half(work)
        applying.interrupt()
        await send(applying, work)
    assert outcomes(run) == {(1, ENDPOINT): Outcome.FAILED, (1, SIM): Outcome.HELD}


async def test_an_interrupt_while_endpoints_are_on_their_way_is_not_an_outage(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(2), acts={"101": [Silent(carried_out=True)]})
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        carrier.before_change = lambda _: setattr(applying, "interrupted", True)
        work = next(applying.batches())
        assert await applying.apply_first_half(work) == "2 unknown", "nothing that a retry should wait for"
        await applying.apply_second_half(work)
        await applying.finish(work)
    assert {outcomes(run)[number, ENDPOINT] for number in (1, 2)} == {Outcome.UNKNOWN}


@pytest.mark.parametrize("half", Half)
async def test_what_was_on_its_way_when_an_error_ended_the_sending_is_unknown(
    make_run: MakeRun, begun: Begun, half: Half
) -> None:
    before = RUNNING if half is SIM else RESTING
    target = Target.SUSPENDED if half is SIM else Target.ACTIVATED
    ident = "1" if half is SIM else "101"
    carrier = ActingCarrier(fleet_of(2, *before), acts={ident: [Broken(carried_out=True)], "2": [Endless()]})
    run = make_run(sims(2), target)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierRefused):
            await applying.apply_first_half(work)
        applying.interrupt()
        await applying.apply_second_half(work)
        await applying.finish(work)
    assert {outcomes(run)[number, half] for number in (1, 2)} == {Outcome.UNKNOWN}
    assert {outcomes(run)[number, SIM if half is ENDPOINT else ENDPOINT] for number in (1, 2)} == {Outcome.HELD}


async def test_without_a_record_nothing_more_is_sent(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(20, SimStatus.ISSUED, EndpointStatus.ENABLED))
    run = make_run(sims(20))
    planned(run, carrier.fleet, [Target.ACTIVATED] * 20)
    carrier.before_change = lambda ident: lose_outcomes(run) if ident == "3" else None
    with pytest.raises(LedgerError):
        await sent_with_journal(run, carrier)
    assert len(carrier.sent) <= 6


async def sent_with_journal(run: Run, carrier: ActingCarrier) -> None:
    async with CallWriter(run.ledger, run.run_id) as journal:
        await send_all(Applying(run, carrier, journal))


def lose_outcomes(run: Run) -> None:
    """As if the disk were full: nothing can be recorded any more."""
    with run.ledger.database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON outcomes BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

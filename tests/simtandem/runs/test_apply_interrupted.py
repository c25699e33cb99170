"""Sending that is interrupted: by an outage, by somebody who stops the run, by an error, by a record that is lost."""

import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, LedgerError
from simtandem.ledger.journal import CallWriter
from simtandem.progress import ProgressHooks
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier, Broken, Endless, Silent, Unaccepted, Unreached
from tests.simtandem.runs.conftest import Begun, MakeRun, planned
from tests.simtandem.runs.sending import (
    ENDPOINT,
    RESTING,
    RUNNING,
    SIM,
    fleet_of,
    outcomes,
    said,
    send,
    send_all,
    sims,
    state,
)


async def test_an_outage_stops_the_sending_until_it_is_tried_again(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(40, SimStatus.ISSUED, EndpointStatus.ENABLED))
    carrier.acts = {number: [Unreached()] for number in sims(40)}
    tried: list[object] = []
    carrier.before_change = tried.append
    run = make_run(sims(40))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        await applying.apply(work, work.first)
        with pytest.raises(CarrierUnavailable, match="40 of 40 sim changes of batch 1 are still open"):
            await applying.apply(work, work.second)
        assert len(tried) <= 8 + 2, "8 in a row are an outage, and two are on their way"
        carrier.acts.clear()
        assert await applying.apply(work, work.second) == "40 applied"


async def test_single_silent_sims_are_no_outage(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(40, *RUNNING), acts={str(number): [Silent()] for number in range(2, 40, 2)})
    run = make_run(sims(40), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable, match="19 of 40 sim changes"):
            await applying.apply(work, work.first)
    assert len(carrier.sent) == 40


async def test_after_an_outage_only_what_did_not_happen_is_sent_again(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4, *RUNNING))
    carrier.acts = {"2": [Silent(carried_out=True)], "3": [Silent()], "4": [Unreached()]}
    run = make_run(sims(4), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply(work, work.first)
        before = len(carrier.sent)
        await applying.apply(work, work.first)
    assert sorted(carrier.sent[before:]) == [(SIM, "3"), (SIM, "4")]
    assert carrier.fleet.illegal == []
    assert {outcomes(run)[number, SIM] for number in range(1, 5)} == {Outcome.APPLIED}


async def test_after_an_outage_endpoints_that_moved_are_taken_in(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"101": [Silent(carried_out=True)]})
    run = make_run(sims(3))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply(work, work.first)
        await applying.apply(work, work.first)
        await applying.apply(work, work.second)
    assert carrier.endpoint_calls == [["101", "102", "103"], ["102", "103"]]
    assert [state(carrier.fleet, number) for number in (1, 2, 3)] == [RUNNING] * 3
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_nothing_is_sent_again_while_it_can_not_be_read(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(2, *RUNNING), acts={"1": [Silent(carried_out=True)]})
    async with begun(make_run(sims(2), Target.SUSPENDED), carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(CarrierUnavailable):
            await applying.apply(work, work.first)
        before, carrier.away = len(carrier.sent), True
        with pytest.raises(CarrierUnavailable):
            await applying.apply(work, work.first)
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
            await applying.apply(work, work.first)
        assert await applying.apply(work, work.second) == "2 held"
        await applying.finish(work)
    assert {outcomes(run)[number, ENDPOINT] for number in (1, 2)} == {Outcome.FAILED}
    assert {outcomes(run)[number, SIM] for number in (1, 2)} == {Outcome.HELD}


async def test_an_interrupt_lets_what_is_on_its_way_finish_and_holds_the_rest(
    make_run: MakeRun, begun: Begun, hooks: ProgressHooks
) -> None:
    carrier = ActingCarrier(fleet_of(10, *RUNNING))
    carrier.before_change = lambda ident: hooks.stop() if ident == "4" else None
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
    make_run: MakeRun, begun: Begun, hooks: ProgressHooks
) -> None:
    hooks.stop()
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
            await applying.apply(work, work.first)
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
            await applying.apply(work, work.first)
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
            await applying.apply(work, work.first)
        applying.interrupt()
        await send(applying, work)
    assert outcomes(run) == {(1, ENDPOINT): Outcome.FAILED, (1, SIM): Outcome.HELD}


async def test_an_interrupt_while_endpoints_are_on_their_way_is_not_an_outage(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(2), acts={"101": [Silent(carried_out=True)]})
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        carrier.before_change = lambda _: setattr(applying, "interrupted", True)
        work = next(applying.batches())
        assert await applying.apply(work, work.first) == "2 unknown", "nothing that a retry should wait for"
        await applying.apply(work, work.second)
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
            await applying.apply(work, work.first)
        applying.interrupt()
        await applying.apply(work, work.second)
        await applying.finish(work)
    assert {outcomes(run)[number, half] for number in (1, 2)} == {Outcome.UNKNOWN}
    assert {outcomes(run)[number, SIM if half is ENDPOINT else ENDPOINT] for number in (1, 2)} == {Outcome.HELD}


@pytest.mark.parametrize("sent", [True, False])
async def test_what_was_answered_before_the_token_was_refused_keeps_its_end_and_the_rest_is_not_sent(
    make_run: MakeRun,
    begun: Begun,
    sent: bool,
) -> None:
    carrier = ActingCarrier(fleet_of(20, *RUNNING), acts={"3": [Unaccepted(sent)]})
    run = make_run(sims(20), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(AuthenticationFailed):
            await applying.apply(work, work.first)
        assert carrier.halted
        await applying.finish(work)
    ended = {number: outcomes(run)[number, SIM] for number in range(1, 21)}
    done = {int(ident) for half, ident in carrier.sent if half is SIM} - {3}
    assert done >= {1, 2}
    assert {ended[number] for number in done} == {Outcome.APPLIED}
    assert ended[3] is (Outcome.REFUSED if sent else Outcome.HELD)
    assert {ended[number] for number in range(1, 21) if number not in done | {3}} == {Outcome.HELD}
    assert "does not accept the key or token any more" in said(run, 20, SIM)
    lines = {line["row"]: line for line in run.ledger.outcomes(run.run_id).iter_rows(named=True) if line["half"] == SIM}
    assert lines[4]["http_status"] == (401 if sent else None)


async def test_endpoints_whose_call_was_answered_that_the_token_is_refused_are_refused(
    make_run: MakeRun, begun: Begun
) -> None:
    carrier = ActingCarrier(fleet_of(2, *RESTING), acts={"102": [Unaccepted()]})
    run = make_run(sims(2))
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        with pytest.raises(AuthenticationFailed):
            await applying.apply(work, ENDPOINT)
        await applying.finish(work)
    assert {outcomes(run)[number, ENDPOINT] for number in (1, 2)} == {Outcome.REFUSED}
    assert {outcomes(run)[number, SIM] for number in (1, 2)} == {Outcome.HELD}
    assert {state(carrier.fleet, number) for number in (1, 2)} == {RESTING}


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

"""What is left of each wave, and what a turn reads before it sends."""

from datetime import timedelta

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem.ledger.records import OutcomeRecord
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import RESTING, fleet_of, outcomes, send, sims, state


def in_waves(run: Run, waves: str) -> Run:
    run.request = run.request.model_copy(update={"waves": waves})
    return run


async def send_wave(applying: Applying, number: int) -> None:
    wave = applying.turns.waves[number - 1]
    async with applying.turn(wave):
        while applying.turns.left(wave):
            await send(applying, applying.turns.next_batch(wave))


async def test_a_wave_sends_its_own_devices_alone(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4))
    run = in_waves(make_run(sims(4), batch_size=1), "3,rest")
    async with begun(run, carrier) as applying:
        await send_wave(applying, 1)
        assert [state(carrier.fleet, number) == RESTING for number in (1, 2, 3, 4)] == [False, False, False, True]
        assert applying.turns.left(applying.turns.waves[1])
        await send_wave(applying, 2)
    assert {outcomes(run)[number, half] for number in (1, 2, 3, 4) for half in Half} == {Outcome.APPLIED}


async def test_batches_are_numbered_through_the_run(make_run: MakeRun, begun: Begun) -> None:
    run = in_waves(make_run(sims(5), batch_size=2), "3,rest")
    async with begun(run, ActingCarrier(fleet_of(5))) as applying:
        assert [work.batch.number for work in applying.batches()] == [1, 2, 3]
        assert applying.turns.batch_count == 3


async def test_after_a_wait_a_turn_reads_what_is_left_of_its_wave(make_run: MakeRun, begun: Begun) -> None:
    """Someone suspends device 2 elsewhere, and activates device 3: neither is sent."""
    carrier = ActingCarrier(fleet_of(3, SimStatus.ACTIVATED))
    run = in_waves(make_run(sims(3), Target.SUSPENDED), "1,rest")
    async with begun(run, carrier) as applying:
        await send_wave(applying, 1)
        carrier.fleet.devices[1].sim, carrier.fleet.devices[1].endpoint = SimStatus.SUSPENDED, EndpointStatus.DISABLED
        applying.turns.waited = True
        await send_wave(applying, 2)
        assert not applying.turns.waited
    sent = [ident for half, ident in carrier.sent if half is Half.SIM]
    assert sent == ["1", "3"]
    assert outcomes(run)[2, Half.SIM] is Outcome.UNCHANGED


async def test_a_look_at_one_wave_is_no_look_at_the_next(make_run: MakeRun, begun: Begun) -> None:
    """Device 2 is read in no turn, and its listing is old: it is read before its SIM is activated."""
    carrier = ActingCarrier(fleet_of(2))
    run = in_waves(make_run(sims(2)), "1,rest")
    async with begun(run, carrier) as applying:
        applying.turns.waited = True
        await send_wave(applying, 1)
        clock = run.ledger.clock
        run.ledger.clock = lambda: clock() + timedelta(seconds=61)
        carrier.fleet.devices[1].sim = SimStatus.SUSPENDED
        await send_wave(applying, 2)
    assert ("2" in [ident for half, ident in carrier.sent if half is Half.SIM]) is False
    assert outcomes(run)[2, Half.SIM] is Outcome.HELD


async def test_what_has_an_outcome_already_is_in_no_batch(make_run: MakeRun, begun: Begun) -> None:
    run = make_run(sims(3), batch_size=1)
    carrier = ActingCarrier(fleet_of(3))
    async with begun(run, carrier) as applying:
        done = [OutcomeRecord(2, half, Outcome.APPLIED, 1) for half in Half]
        run.ledger.record_outcomes(run.run_id, done)
        again = Applying(run, carrier, applying._journal)
    assert [work.batch.rows["row"].to_list() for work in again.batches()] == [[3], [4]]


async def test_after_a_stop_nothing_is_read_for_the_waves_that_follow(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3))
    run = in_waves(make_run(sims(3)), "1,rest")
    async with begun(run, carrier) as applying:
        await send_wave(applying, 1)
        applying.stop_after_wave("wave 1 of 2: too much")
        applying.turns.waited = True
        before = list(carrier.sent)
        await send_wave(applying, 2)
        assert carrier.sent == before
        assert applying.turns.waited, "no look was taken"
    assert {outcomes(run)[number, half] for number in (2, 3) for half in Half} == {Outcome.HELD}

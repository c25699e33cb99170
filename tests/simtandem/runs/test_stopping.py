"""A run that someone stops: pairs that it would leave paid for and off are completed, as far as that takes seconds."""

import asyncio
from collections.abc import Callable

import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus, StoppedBy, Target
from simtandem import progress
from simtandem.errors import CarrierError
from simtandem.runs import stopping
from simtandem.runs.apply import Applying
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused, Unaccepted, Unreached
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import ENDPOINT, RUNNING, SIM, fleet_of, outcomes, said, sims, state

IN_TEST = (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
PAID_FOR_AND_OFF = (SimStatus.ACTIVATED, EndpointStatus.DISABLED)


class Noting(progress.ProgressHooks):
    """What the operator reads."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def message(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def hooks() -> Noting:
    made = Noting()
    progress.install(made)
    return made


async def go(applying: Applying, carrier: ActingCarrier) -> None:
    """A turn, as the flow has it."""
    [wave] = applying.turns.waves
    async with applying.turn():
        while applying.turns.left(wave) and applying.stop is None:
            work = applying.turns.next_batch(wave)
            await applying.apply(work, work.first)
            await applying.apply(work, work.second)
            if not applying.put_aside(work):
                await applying.finish(work)
        await stopping.complete_pairs(applying, carrier)
        while applying.stop is not None and applying.turns.left(wave):
            await applying.finish(applying.turns.next_batch(wave))


def once(carrier: ActingCarrier, ident: str, then: Callable[[], object]) -> None:
    """It happens while this SIM's change is on its way."""

    def look(changed: object) -> None:
        if changed == ident:
            then()

    carrier.before_change = look


def states(carrier: ActingCarrier) -> list[object]:
    return [state(carrier.fleet, number) for number in range(1, len(carrier.fleet.devices) + 1)]


async def test_sims_that_are_charged_now_have_their_endpoints_enabled_before_the_end(
    make_run: MakeRun, begun: Begun, hooks: Noting
) -> None:
    carrier, run = ActingCarrier(fleet_of(6, *IN_TEST)), make_run(sims(6), batch_size=3)
    async with begun(run, carrier) as applying:
        once(carrier, "2", hooks.stop)
        await go(applying, carrier)
        assert applying.interrupted
        assert applying.stop is not None
    activated = states(carrier).count(RUNNING)
    assert activated in (2, 3), "those in flight"
    assert states(carrier).count(IN_TEST) == 6 - activated
    assert len(carrier.endpoint_calls) == 1
    assert carrier.fleet.illegal == []
    assert carrier.halted, "nothing else goes"
    assert len(outcomes(run)) == 12, "every step has an end"
    assert list(outcomes(run).values()).count(Outcome.APPLIED) == 2 * activated
    assert said(run, 6, SIM) == "the run was interrupted"
    assert sum(f"{activated} SIMs were just activated" in each for each in hooks.said) == 1


async def test_pairs_that_cost_nothing_as_they_are_stay_as_they_are(
    make_run: MakeRun, begun: Begun, hooks: Noting
) -> None:
    carrier, run = ActingCarrier(fleet_of(4, *RUNNING)), make_run(sims(4), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        once(carrier, "1", hooks.stop)
        await go(applying, carrier)
    assert [each for each in carrier.sent if each[0] is ENDPOINT] == []
    assert not any("just activated" in each for each in hooks.said)


async def test_what_the_rate_limit_leaves_no_time_for_is_left_and_said(
    make_run: MakeRun, begun: Begun, hooks: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier, run = ActingCarrier(fleet_of(3, *IN_TEST)), make_run(sims(3))
    waits = asyncio.Event()
    monkeypatch.setattr(carrier, "waiting_s", lambda: 60.0)

    async with begun(run, carrier) as applying:

        async def waiting(*_: object, **__: object) -> list[object]:
            monkeypatch.setattr(carrier, "halt", waits.set)
            await waits.wait()
            carrier.halted = True
            carrier._take_turn()
            return []

        monkeypatch.setattr(carrier, "change_endpoints", waiting)
        once(carrier, "1", hooks.stop)
        await go(applying, carrier)
    charged = states(carrier).count(PAID_FOR_AND_OFF)
    assert charged >= 1
    assert {outcomes(run)[number, ENDPOINT] for number in (1, 2, 3)} == {Outcome.HELD}
    assert ("It is" if charged == 1 else f"{charged} of them are") + " still off, and charged" in hooks.said[-1]


@pytest.mark.parametrize("act", [Unreached(), Refused()])
async def test_an_endpoint_that_cannot_be_enabled_leaves_its_pair_with_an_end(
    make_run: MakeRun, begun: Begun, hooks: Noting, act: Unreached | Refused
) -> None:
    carrier, run = ActingCarrier(fleet_of(1, *IN_TEST), acts={"101": [act]}), make_run(sims(1))
    async with begun(run, carrier) as applying:
        once(carrier, "1", hooks.stop)
        await go(applying, carrier)
    assert states(carrier) == [PAID_FOR_AND_OFF]
    assert outcomes(run)[1, SIM] is Outcome.APPLIED
    assert outcomes(run)[1, ENDPOINT] in (Outcome.REFUSED, Outcome.FAILED, Outcome.HELD)


async def test_a_second_stop_ends_it(make_run: MakeRun, begun: Begun, hooks: Noting) -> None:
    carrier, run = ActingCarrier(fleet_of(1, *IN_TEST)), make_run(sims(1))
    async with begun(run, carrier) as applying:
        once(carrier, "1", hooks.stop)
        carrier.before_turn = [int, hooks.stop]
        await go(applying, carrier)
    assert states(carrier) == [PAID_FOR_AND_OFF]
    assert outcomes(run)[1, ENDPOINT] is Outcome.HELD


async def test_after_a_login_that_is_refused_nothing_is_sent(make_run: MakeRun, begun: Begun, hooks: Noting) -> None:
    carrier = ActingCarrier(fleet_of(3, *IN_TEST), acts={"2": [Unaccepted()]})
    run = make_run(sims(3))
    async with begun(run, carrier) as applying:
        once(carrier, "2", hooks.stop)
        with pytest.raises(CarrierError):
            await go(applying, carrier)
        assert not applying.completes
    assert carrier.endpoint_calls == []


STOP_EARLY = {"stop_at_least": 2, "stop_share": 0.2, "sim_concurrency": 1}


async def test_what_too_many_failures_leave_charged_and_off_is_completed(
    make_run: MakeRun, begun: Begun, hooks: Noting
) -> None:
    carrier = ActingCarrier(fleet_of(6, *IN_TEST), acts={"3": [Refused()], "4": [Refused()]})
    run = make_run(sims(6), settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await go(applying, carrier)
        assert applying.stop is not None
        assert applying.stop.by is StoppedBy.STOP_RULE
        assert not applying.interrupted
    assert states(carrier) == [RUNNING] * 2 + [IN_TEST] * 4
    assert carrier.endpoint_calls == [["101", "102"]]
    assert carrier.changes_halted, "nothing else goes"
    assert len(outcomes(run)) == 12, "every step has an end"
    assert said(run, 6, SIM) == "stopped: 2 of 6 devices of batch 1 failed"
    assert sum("2 SIMs were just activated" in each for each in hooks.said) == 1


async def test_batches_beside_the_one_that_failed_are_completed_too(
    make_run: MakeRun, begun: Begun, hooks: Noting
) -> None:
    carrier = ActingCarrier(fleet_of(4, *IN_TEST), acts={"3": [Refused()], "4": [Refused()]})
    run = make_run(sims(4), batch_size=2, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        [wave] = applying.turns.waves
        async with applying.turn():
            good, bad = (applying.turns.next_batch(wave) for _ in range(2))
            await applying.apply(good, good.first)
            await applying.apply(bad, bad.first)
            for work in (bad, good):
                await applying.apply(work, work.second)
                if not applying.put_aside(work):
                    await applying.finish(work)
            await stopping.complete_pairs(applying, carrier)
            while applying.turns.left(wave):
                await applying.finish(applying.turns.next_batch(wave))
    assert states(carrier) == [RUNNING] * 2 + [IN_TEST] * 2
    assert len(outcomes(run)) == 8


@pytest.mark.parametrize("acts", [Refused(), Unreached()])
async def test_endpoints_that_fail_in_turn_leave_their_pairs_with_an_end(
    make_run: MakeRun, begun: Begun, hooks: Noting, acts: Refused | Unreached
) -> None:
    carrier = ActingCarrier(fleet_of(4, *IN_TEST), acts={"3": [Refused()], "4": [Refused()], "101": [acts]})
    run = make_run(sims(4), settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await go(applying, carrier)
    assert len(carrier.endpoint_calls) <= 1
    assert PAID_FOR_AND_OFF in states(carrier)
    assert len(outcomes(run)) == 8
    assert "off, and charged" in hooks.said[-1] or acts == Refused()


async def test_where_the_endpoints_are_what_fails_none_is_tried_once_more(
    make_run: MakeRun, begun: Begun, hooks: Noting
) -> None:
    carrier = ActingCarrier(fleet_of(6, *IN_TEST), acts={"101": [Refused()], "102": [Refused()]})
    run = make_run(sims(6), batch_size=3, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        [wave] = applying.turns.waves
        async with applying.turn():
            bad, good = (applying.turns.next_batch(wave) for _ in range(2))
            await applying.apply(bad, bad.first)
            await applying.apply(good, good.first)
            await applying.apply(bad, bad.second)
            assert not applying.completes
            await applying.apply(good, good.second)
            assert not applying.put_aside(good)
            for work in (bad, good):
                await applying.finish(work)
            await stopping.complete_pairs(applying, carrier)
    assert carrier.endpoint_calls == [["101", "102", "103"]]
    assert outcomes(run)[4, ENDPOINT] is Outcome.HELD


async def test_who_stops_it_while_it_waits_for_the_rate_limit_waits_some_seconds_at_most(
    make_run: MakeRun, begun: Begun, hooks: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = ActingCarrier(fleet_of(4, *IN_TEST), acts={"3": [Refused()], "4": [Refused()]})
    run = make_run(sims(4), settings=STOP_EARLY)
    async with begun(run, carrier) as applying:

        def stop() -> None:
            monkeypatch.setattr(carrier, "waiting_s", lambda: 60.0)
            hooks.stop()

        carrier.before_turn = [int] * 4 + [stop]
        await go(applying, carrier)
        assert applying.interrupted
    assert len(outcomes(run)) == 8

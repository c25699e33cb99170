"""A pause in the midst of a batch: what is on its way ends, the rest stays open, and goes after a fresh look."""

from collections.abc import Sequence

import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus, Target
from simtandem.carriers.protocol import Change, Fresh, StepResult, always_fresh
from simtandem.runs import pausing
from simtandem.runs.apply import Applying
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused, Silent, Unreached
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import ENDPOINT, RESTING, RUNNING, SIM, fleet_of, outcomes, said, sims, state

SUSPENDED = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)
LOOKS_ON = (SimStatus.SUSPENDED, EndpointStatus.ENABLED)


async def go(applying: Applying) -> None:
    """A turn, as the flow has it: until all is sent, or a pause has left the rest."""
    [wave] = applying.turns.waves
    async with applying.turn():
        await pausing.complete_pairs(applying)
        while applying.turns.left(wave) and not applying.paused:
            work = applying.turns.next_batch(wave)
            await applying.apply(work, work.first)
            await applying.apply(work, work.second)
            if not applying.put_aside(work):
                await applying.finish(work)
        await pausing.complete_pairs(applying)
        while applying.stop is not None and applying.turns.left(wave):
            await applying.finish(applying.turns.next_batch(wave))


def pauses_at(carrier: ActingCarrier, applying: Applying, ident: str) -> None:
    """Someone pauses the run while this SIM's change is on its way."""

    def look(changed: object) -> None:
        if changed == ident:
            applying.pause()

    carrier.before_change = look


async def test_what_is_on_its_way_ends_and_the_rest_stays_open(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = ActingCarrier(fleet_of(6, *RUNNING)), make_run(sims(6), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "2")
        await go(applying)
        assert set(outcomes(run).values()) == {Outcome.APPLIED}, "of what was not sent nothing is said"
        changed = {number for number, half in outcomes(run)}
        assert changed <= {1, 2, 3}, "those in flight"
        assert [each for each in carrier.sent if each[0] is ENDPOINT] == []
        assert applying.turns.devices_left() == (6, len(changed))
        applying.go_on()
        before = len(carrier.sent)
        await go(applying)
    assert carrier.sent[before : before + len(changed)] == [(ENDPOINT, str(100 + each)) for each in sorted(changed)]
    assert len(carrier.sent) == 12, "each half once"
    assert carrier.fleet.illegal == []
    assert [state(carrier.fleet, number) for number in range(1, 7)] == [SUSPENDED] * 6
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_a_pause_before_the_last_answer_leaves_nothing_aside(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = ActingCarrier(fleet_of(2)), make_run(sims(2))
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "2")
        await go(applying)
        assert applying.turns.devices_left() == (0, 0)
    assert set(outcomes(run).values()) == {Outcome.APPLIED}


async def test_a_sim_that_is_charged_now_has_its_endpoint_enabled_in_the_pause(make_run: MakeRun, begun: Begun) -> None:
    """Out of Factory Test the SIM goes first: left like this it would be paid for and off."""
    fleet = fleet_of(6, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
    carrier, run = ActingCarrier(fleet), make_run(sims(6))
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "2")
        await go(applying)
        states = [state(carrier.fleet, number) for number in range(1, 7)]
        assert applying.paused
        assert states.count(RUNNING) in (2, 3)
        assert set(states) == {RUNNING, (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)}
        assert len(carrier.endpoint_calls) == 1
        applying.go_on()
        await go(applying)
    assert [state(carrier.fleet, number) for number in range(1, 7)] == [RUNNING] * 6
    assert (len(carrier.sent), carrier.fleet.illegal) == (12, [])


async def test_an_outage_in_the_pause_leaves_a_charged_pair_for_later(make_run: MakeRun, begun: Begun) -> None:
    fleet = fleet_of(3, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)
    carrier, run = ActingCarrier(fleet, acts={"101": [Unreached()]}), make_run(sims(3))
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "1")
        await go(applying)
        assert applying.turns.devices_left()[1] >= 1
        applying.go_on()
        await go(applying)
    assert [state(carrier.fleet, number) for number in (1, 2, 3)] == [RUNNING] * 3


async def test_what_was_not_answered_is_read_before_it_is_sent_again(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4, *RUNNING), acts={"2": [Silent(carried_out=True)], "1": [Silent()]})
    run = make_run(sims(4), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "2")
        await go(applying)
        applying.go_on()
        await go(applying)
    assert carrier.fleet.illegal == []
    assert [ident for half, ident in carrier.sent if half is SIM].count("2") == 1
    assert [state(carrier.fleet, number) for number in range(1, 5)] == [SUSPENDED] * 4
    assert outcomes(run)[2, SIM] is Outcome.APPLIED


async def test_of_a_pair_that_someone_moves_meanwhile_the_second_half_is_held(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = ActingCarrier(fleet_of(4, *RUNNING)), make_run(sims(4), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "1")
        await go(applying)
        carrier.fleet.devices[0].sim = SimStatus.ACTIVATED
        carrier.fleet.devices[3].sim, carrier.fleet.devices[3].endpoint = SUSPENDED
        applying.go_on()
        await go(applying)
    assert state(carrier.fleet, 1) == RUNNING, "what someone else did stays"
    assert (outcomes(run)[1, SIM], outcomes(run)[1, ENDPOINT]) == (Outcome.APPLIED, Outcome.HELD)
    assert "someone has changed its sim" in said(run, 1, ENDPOINT)
    assert (outcomes(run)[4, SIM], outcomes(run)[4, ENDPOINT]) == (Outcome.UNCHANGED, Outcome.UNCHANGED)
    assert state(carrier.fleet, 2) == SUSPENDED


async def test_a_stop_in_the_pause_ends_what_is_open_as_not_sent(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = ActingCarrier(fleet_of(5, *RUNNING)), make_run(sims(5), Target.SUSPENDED, batch_size=3)
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "1")
        await go(applying)
        applying.interrupt()
        applying.go_on()
        assert carrier.halted, "a stop is for good"
        before = len(carrier.sent)
        await go(applying)
        assert len(carrier.sent) == before
    assert outcomes(run)[1, SIM] is Outcome.APPLIED
    assert {outcomes(run)[number, ENDPOINT] for number in range(1, 6)} == {Outcome.HELD}
    assert said(run, 1, ENDPOINT) == said(run, 5, SIM) == "the run was interrupted"


async def test_an_endpoint_whose_sim_is_refused_is_put_back_after_the_pause(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = ActingCarrier(fleet_of(3), acts={"1": [Refused()]}), make_run(sims(3))
    async with begun(run, carrier) as applying:
        pauses_at(carrier, applying, "1")
        await go(applying)
        assert carrier.put_back == [], "that is a call, too"
        applying.go_on()
        await go(applying)
    assert carrier.put_back == ["101"]
    assert state(carrier.fleet, 1) == RESTING
    assert state(carrier.fleet, 3) == RUNNING


async def test_an_endpoint_that_waits_to_be_put_back_is_put_back_after_the_pause(
    make_run: MakeRun, begun: Begun
) -> None:
    """The pause comes while the call that puts it back waits for the rate limit."""
    carrier, run = ActingCarrier(fleet_of(3), acts={"1": [Refused()]}), make_run(sims(3))
    async with begun(run, carrier) as applying:
        work_of = carrier.put_back_endpoints

        async def waits(changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
            if not applying.paused and not carrier.put_back:
                carrier.put_back_endpoints = work_of  # type: ignore[method-assign]
                applying.pause()
            return await work_of(changes, fresh=fresh)

        carrier.put_back_endpoints = waits  # type: ignore[method-assign]
        await go(applying)
        assert carrier.put_back == []
        assert applying.turns.devices_left() == (1, 0)
        applying.go_on()
        await go(applying)
    assert carrier.put_back == ["101"]


async def test_a_run_may_pause_again_and_again(make_run: MakeRun, begun: Begun) -> None:
    carrier, run = ActingCarrier(fleet_of(12, *RUNNING)), make_run(sims(12), Target.SUSPENDED, batch_size=4)
    async with begun(run, carrier) as applying:
        for ident in ("1", "3", "5", "11"):
            pauses_at(carrier, applying, ident)
            await go(applying)
            assert applying.paused
            applying.go_on()
        carrier.before_change = lambda _: None
        await go(applying)
    assert (len(carrier.sent), carrier.fleet.illegal) == (24, [])
    assert set(outcomes(run).values()) == {Outcome.APPLIED}
    assert len(outcomes(run)) == 24


class Halving(ActingCarrier):
    """Sends some of a request, and says of the others that they were not asked for."""

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        if self.held:
            return StepResult(change.row, Outcome.HELD, 0, error="not asked for")
        return await super().change_sim(change, fresh=fresh)


@pytest.mark.parametrize("order", [["1"], ["2"]])
async def test_what_a_carrier_leaves_out_of_a_request_stays_open(
    make_run: MakeRun, begun: Begun, order: Sequence[str]
) -> None:
    carrier, run = Halving(fleet_of(5, *RUNNING)), make_run(sims(5), Target.SUSPENDED)
    async with begun(run, carrier) as applying:
        carrier.before_turn = [applying.pause] if order == ["1"] else [int, applying.pause]
        await go(applying)
        assert Outcome.HELD not in outcomes(run).values()
        applying.go_on()
        await go(applying)
    assert set(outcomes(run).values()) == {Outcome.APPLIED}

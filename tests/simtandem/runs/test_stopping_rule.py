"""Too many devices of a batch failed: nothing more is changed anywhere, and what was half done is put back."""

import asyncio
from dataclasses import dataclass, field

import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem.carriers.protocol import Change, StepResult
from simtandem.errors import CarrierUnavailable
from simtandem.progress import ProgressHooks
from tests.simtandem.runs.acting_carrier import Act, ActingCarrier, Failed, Refused, Silent, Unreached
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import RESTING, RUNNING, fleet_of, outcomes, said, send, send_all, sims, state

SIM, ENDPOINT = Half.SIM, Half.ENDPOINT
STOP_EARLY = {"stop_at_least": 2, "stop_share": 0.2}
ENABLED = (SimStatus.ISSUED, EndpointStatus.ENABLED)


async def test_after_the_stop_nothing_of_any_batch_is_sent(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(8), acts={"101": [Refused()], "102": [Refused()]})
    run = make_run(sims(8), batch_size=4, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
        assert applying.stopped == "stopped: 2 of 4 devices of batch 1 failed"
    assert carrier.sent == [(ENDPOINT, str(number)) for number in range(101, 105)]
    ended = outcomes(run)
    assert {ended[number, SIM] for number in range(1, 9)} == {Outcome.HELD}
    assert {ended[number, ENDPOINT] for number in range(3, 9)} == {Outcome.HELD}
    for number, half in ((3, SIM), (5, ENDPOINT), (5, SIM)):
        assert said(run, number, half) == "stopped: 2 of 4 devices of batch 1 failed"
    assert said(run, 1, SIM) == "its partner was not changed"


async def test_the_rest_of_the_batch_that_trips_the_rule_is_held(make_run: MakeRun, begun: Begun) -> None:
    acts: dict[str, list[Act]] = {number: [Refused(SimStatus.ACTIVATED)] for number in sims(40)}
    carrier = ActingCarrier(fleet_of(40, *ENABLED), acts)
    run = make_run(sims(40), settings={"stop_at_least": 9, "sim_concurrency": 2})
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert 9 <= len(carrier.sent) <= 10, "nine, and what was on its way"
    assert [outcomes(run)[number, SIM] for number in (1, 40)] == [Outcome.REFUSED, Outcome.HELD]


async def test_refused_endpoints_stop_the_run_in_the_middle_of_their_bulk_call(make_run: MakeRun, begun: Begun) -> None:
    """Those not tried are held, the one that was enabled is put back, and no SIM is activated."""
    acts: dict[str, list[Act]] = {str(number): [Refused()] for number in range(102, 109)}
    carrier = ActingCarrier(fleet_of(8), acts, gives_up=True)
    run = make_run(sims(8), settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
        assert applying.stopped == "stopped: 2 of the 3 endpoints tried in batch 1 were refused"
    assert carrier.sent == [(ENDPOINT, "101"), (ENDPOINT, "102"), (ENDPOINT, "103")]
    assert carrier.put_back == ["101"]
    ended = outcomes(run)
    assert [ended[number, ENDPOINT] for number in (1, 2, 3, 4, 8)] == [
        Outcome.HELD,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.HELD,
        Outcome.HELD,
    ]
    assert {ended[number, SIM] for number in range(1, 9)} == {Outcome.HELD}


async def test_a_batch_begun_before_the_stop_goes_no_further_and_is_put_back(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4), acts={"101": [Refused()], "102": [Refused()]})
    run = make_run(sims(4), batch_size=2, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        bad, good = applying.batches()
        await applying.apply(good, good.first)
        await send(applying, bad)
        assert await applying.apply(good, good.second) == "2 held"
        await applying.finish(good)
    assert not [ident for half, ident in carrier.sent if half is SIM]
    assert carrier.put_back == ["103", "104"]
    assert {state(carrier.fleet, number) for number in (3, 4)} == {RESTING}
    assert {outcomes(run)[number, half] for number in (3, 4) for half in Half} == {Outcome.HELD}
    assert said(run, 3, SIM) == "stopped: 2 of 2 devices of batch 1 failed"
    assert said(run, 3, ENDPOINT) == "put back to Disabled: the SIM did not follow"


@dataclass
class SlowForTheFirst(ActingCarrier):
    """The answer for SIM 1 comes once changes are halted."""

    over: asyncio.Event = field(default_factory=asyncio.Event)

    def halt_changes(self) -> None:
        super().halt_changes()
        self.over.set()

    async def _change_sim(self, change: Change, act: Act | None) -> StepResult:
        if change.ident == "1":
            await self.over.wait()
        return await super()._change_sim(change, act)


async def test_what_is_on_its_way_when_the_rule_stops_the_run_is_finished(make_run: MakeRun, begun: Begun) -> None:
    carrier = SlowForTheFirst(fleet_of(6), acts={"2": [Refused()], "3": [Refused()]})
    run = make_run(sims(6), settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert outcomes(run)[1, SIM] is Outcome.APPLIED
    assert state(carrier.fleet, 1) == RUNNING
    assert carrier.put_back == ["102", "103", "104", "105", "106"]


async def test_the_endpoints_of_sims_suspended_before_the_stop_are_held(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4, *RUNNING), acts={"3": [Refused()], "4": [Refused()]})
    run = make_run(sims(4), Target.SUSPENDED, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert [half for half, _ in carrier.sent] == [SIM] * 4
    assert [outcomes(run)[number, ENDPOINT] for number in (1, 2)] == [Outcome.HELD] * 2
    assert said(run, 1, ENDPOINT) == "stopped: 2 of 4 devices of batch 1 failed"
    assert state(carrier.fleet, 1) == (SimStatus.SUSPENDED, EndpointStatus.ENABLED), "off, and costs nothing"


@pytest.mark.parametrize(
    ("carried_out", "becomes", "why"), [(True, Outcome.APPLIED, ""), (False, Outcome.HELD, "stopped: 2 of 5 devices")]
)
async def test_what_was_not_answered_before_the_stop_is_read_once_more(
    make_run: MakeRun, begun: Begun, carried_out: bool, becomes: Outcome, why: str
) -> None:
    carrier = ActingCarrier(fleet_of(5, *RUNNING), acts={"1": [Silent(carried_out)], "2": [Refused()], "3": [Failed()]})
    run = make_run(sims(5), Target.SUSPENDED, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert outcomes(run)[1, SIM] is becomes
    assert said(run, 1, SIM).startswith(why)
    assert [ident for _, ident in carrier.sent].count("1") == 1


class AwayAfterTheStop(ActingCarrier):
    """Nobody answers any more once changes are halted."""

    def halt_changes(self) -> None:
        super().halt_changes()
        self.away = True


async def test_what_can_not_be_read_once_more_is_unknown(make_run: MakeRun, begun: Begun) -> None:
    carrier = AwayAfterTheStop(fleet_of(5, *RUNNING), acts={"1": [Silent()], "2": [Refused()], "3": [Refused()]})
    run = make_run(sims(5), Target.SUSPENDED, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert outcomes(run)[1, SIM] is Outcome.UNKNOWN
    assert outcomes(run)[1, ENDPOINT] is Outcome.HELD


async def test_a_task_that_waits_for_its_retry_sends_nothing_after_the_stop(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4), acts={"103": [Unreached()], "101": [Refused()], "102": [Refused()]})
    run = make_run(sims(4), batch_size=2, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        bad, waiting = applying.batches()
        with pytest.raises(CarrierUnavailable):
            await applying.apply(waiting, waiting.first)
        await send(applying, bad)
        await send(applying, waiting)
    assert not {"3", "4", "103", "104"} & {ident for _, ident in carrier.sent}
    assert {outcomes(run)[number, SIM] for number in (3, 4)} == {Outcome.HELD}


async def test_a_batch_whose_task_ended_early_is_put_back_when_it_is_settled(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4), acts={"101": [Refused()], "102": [Refused()]})
    run = make_run(sims(4), batch_size=2, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        bad, other = applying.batches()
        await applying.apply(other, other.first)
        await send(applying, bad)
        await applying.finish(other)
    assert carrier.put_back == ["103", "104"]
    assert {outcomes(run)[number, SIM] for number in (3, 4)} == {Outcome.HELD}


async def test_an_endpoint_that_can_not_be_put_back_is_asked_for_once(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"1": [Refused()], "2": [Refused()]})
    run = make_run(sims(3), settings={**STOP_EARLY, "sim_concurrency": 1})
    async with begun(run, carrier) as applying:
        work = next(applying.batches())
        await applying.apply(work, work.first)
        carrier.acts["103"] = [Refused()]
        await applying.apply(work, work.second)
        await applying.finish(work)
    assert carrier.put_back == ["101", "102", "103"]
    assert outcomes(run)[3, ENDPOINT] is Outcome.APPLIED


async def test_an_interrupt_after_the_stop_puts_nothing_back(
    make_run: MakeRun, begun: Begun, hooks: ProgressHooks
) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"1": [Refused()], "2": [Refused()]})
    run = make_run(sims(3), settings={**STOP_EARLY, "sim_concurrency": 1})
    carrier.before_change = lambda ident: hooks.stop() if ident == "2" else None
    async with begun(run, carrier) as applying:
        await send_all(applying)
    assert carrier.put_back == []
    assert said(run, 3, SIM) == "the run was interrupted"


@pytest.mark.parametrize("failing", [["101"], ["101", "102"]])
async def test_a_few_failures_stop_nothing(make_run: MakeRun, begun: Begun, failing: list[str]) -> None:
    carrier = ActingCarrier(fleet_of(12), acts={ident: [Refused()] for ident in failing})
    run = make_run(sims(12), batch_size=10, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
        assert applying.stopped == ""
    assert outcomes(run)[12, SIM] is Outcome.APPLIED


async def test_a_device_whose_two_halves_fail_counts_once_for_the_stop(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(4, *RUNNING), acts={"1": [Refused()], "101": [Refused()]})
    run = make_run(sims(4), Target.SUSPENDED, settings=STOP_EARLY)
    async with begun(run, carrier) as applying:
        await send_all(applying)
        assert applying.stopped == ""

"""Batches are sent: in which order, side by side, and what becomes of the partner of a half that did not change."""

import asyncio
from collections.abc import Sequence

import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from simtandem import progress
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import OutcomeRecord, RunState
from simtandem.progress import ProgressHooks, Sending
from simtandem.runs.apply import Applying
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import Act, ActingCarrier, Failed, Refused, Silent, There, Unreached
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import (
    ENDPOINT,
    RESTING,
    RUNNING,
    SIM,
    fleet_of,
    outcomes,
    said,
    send_all,
    sims,
    state,
)


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
    make_run: MakeRun, begun: Begun, hooks: ProgressHooks, act: Refused | Failed
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
        await applying.apply(work, work.first)
        carrier.acts["101"] = [act]
        await applying.apply(work, work.second)
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


class SlowPen:
    """A journal that does not say that an end is recorded before the next call has been sent."""

    def __init__(self, journal: CallWriter, sent: asyncio.Event) -> None:
        self._journal, self._sent = journal, sent
        self.recorded: list[int] = []

    async def outcome(self, records: Sequence[OutcomeRecord]) -> None:
        await self._journal.outcome(records)
        if records[0].half is SIM and not self.recorded:
            await self._sent.wait()
        self.recorded += [each.row for each in records if each.half is SIM]


async def test_the_next_sim_is_sent_while_the_end_of_one_is_recorded(make_run: MakeRun, begun: Begun) -> None:
    carrier, second = ActingCarrier(fleet_of(2)), asyncio.Event()
    carrier.before_change = lambda ident: second.set() if ident == "2" else None
    run = make_run(sims(2), settings={"sim_concurrency": 1})
    async with begun(run, carrier), CallWriter(run.ledger, run.run_id) as journal, asyncio.timeout(30):
        pen = SlowPen(journal, second)
        await send_all(Applying(run, carrier, pen))  # type: ignore[arg-type]  # it has what is used of a journal
    assert sorted(pen.recorded) == [2, 3]
    assert carrier.most_on_the_way == 1


async def test_batches_side_by_side_share_the_number_of_sims_at_a_time(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(12, *RUNNING))
    run = make_run(sims(12), Target.SUSPENDED, batch_size=4, settings={"sim_concurrency": 2})
    async with begun(run, carrier) as applying:
        await asyncio.gather(*(applying.apply(work, Half.SIM) for work in list(applying.batches())))
    assert (carrier.most_on_the_way, len(carrier.sent)) == (2, 12)


async def test_endpoints_of_a_batch_go_in_one_call(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(5))
    async with begun(make_run(sims(5), batch_size=3), carrier) as applying:
        await send_all(applying)
    assert carrier.endpoint_calls == [["101", "102", "103"], ["104", "105"]]


async def test_each_half_tells_what_became_of_it(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"102": [Refused()], "3": [Refused(SimStatus.ACTIVATED)]})
    async with begun(make_run(sims(3)), carrier) as applying:
        work = next(applying.batches())
        assert await applying.apply(work, work.first) == "2 applied, 1 refused"
        assert await applying.apply(work, work.second) == "1 applied, 1 held, 1 refused"


async def test_a_half_without_steps_has_nothing_to_send(make_run: MakeRun, begun: Begun) -> None:
    carrier = ActingCarrier(fleet_of(1, SimStatus.ISSUED, EndpointStatus.ENABLED))
    async with begun(make_run(["1"]), carrier) as applying:
        work = next(applying.batches())
        assert await applying.apply(work, work.first) == "nothing to send"


async def test_the_record_and_the_hooks_know_what_is_about_to_be_sent(make_run: MakeRun, begun: Begun) -> None:
    class Counting(ProgressHooks):
        """Remembers what it is told."""

        told: tuple[int, ...] = ()
        ends: list[tuple[Half, Outcome]] = []  # noqa: RUF012 - one hooks only

        def applies(self, sending: Sending) -> None:
            super().applies(sending)
            self.told = (sending.devices, sending.sim_steps, sending.endpoint_steps, sending.calls)

        def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:
            self.ends += [(half, outcome)] * count

    counting = Counting()
    progress.install(counting)
    fleet = ModelFleet([device(1, SimStatus.ISSUED, EndpointStatus.ENABLED), device(2), device(3)])
    run = make_run(sims(3), batch_size=2)
    async with begun(run, ActingCarrier(fleet, acts={"2": [Refused()]})) as applying:
        assert counting.told == (3, 3, 2, 5)
        await send_all(applying)
    assert run.ledger.states(run.run_id)[-1].state is RunState.APPLYING
    assert run.ledger.states(run.run_id)[-1].detail == {"batches": 2}
    assert len(counting.ends) == 5, "a step is told once, even where its endpoint is put back later"
    assert counting.meter.done == 2, "the endpoint that was put back makes its device none that is done"

"""As the flow does it; how Prefect's tasks do is shown in `tests/flows/test_bulk_update.py`."""

import asyncio

from schemas.statuses import Half, Outcome
from simtandem.host.clock import SimulatedTime
from simtandem.rehearsal.sending import send_all
from tests.simtandem.runs.acting_carrier import ActingCarrier, Unreached
from tests.simtandem.runs.conftest import Begun, MakeRun
from tests.simtandem.runs.sending import fleet_of, outcomes, sims


def in_simulated_time(
    run: MakeRun, begun: Begun, acts: dict[str, list[Unreached]], waves: str = ""
) -> tuple[dict[tuple[int, Half], Outcome], float]:
    made = run(sims(4), batch_size=2, settings={"waves": waves})
    carrier = ActingCarrier(fleet_of(4), acts=acts)  # type: ignore[arg-type]

    async def send() -> float:
        async with begun(made, carrier) as applying:
            await send_all(made, carrier, applying)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        took = runner.run(send())
    return outcomes(made), took


def test_every_batch_is_sent(make_run: MakeRun, begun: Begun) -> None:
    ended, took = in_simulated_time(make_run, begun, {})

    assert set(ended.values()) == {Outcome.APPLIED}
    assert took < 1


def test_an_outage_is_tried_again_after_pauses_and_then_given_up(make_run: MakeRun, begun: Begun) -> None:
    ended, took = in_simulated_time(make_run, begun, {"1": [Unreached()] * 99})

    assert ended[1, Half.SIM] is Outcome.FAILED
    assert ended[3, Half.SIM] is Outcome.APPLIED
    assert took >= 70


def test_what_fails_in_a_wave_keeps_the_next_from_beginning(make_run: MakeRun, begun: Begun) -> None:
    ended, _ = in_simulated_time(make_run, begun, {"1": [Unreached()] * 99}, "1,rest")

    assert ended[1, Half.SIM] is Outcome.FAILED
    assert {outcome for (device, _), outcome in ended.items() if device > 1} == {Outcome.HELD}

"""What a process that continues a run makes of what the one that died had recorded, and how a wave is watched."""

import asyncio
from typing import Any, cast

import pytest

from schemas.statuses import Target
from schemas.waves import WaveCheck
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.domain.waves import cut
from simtandem.errors import CarrierUnavailable
from simtandem.ledger.records import RunState
from simtandem.progress import ProgressHooks
from simtandem.runs.run import Run
from simtandem.runs.wave_review import decided_before, objection
from tests.simtandem.runs.conftest import MakeRun, planned
from tests.simtandem.runs.sending import fleet_of, sims

Recorded = tuple[RunState, dict[str, Any]]

BEGUN: Recorded = (RunState.APPLYING, {"waves": ["2"]})
APPROVED: Recorded = (RunState.APPROVED, {"wave": 1, "who": "Grace"})


def review(failures: int, **other: Any) -> Recorded:
    told = {"wave": 1, "waves": 2, "devices": 2, "verdicts": {"in_sync": 2 - failures}, "limit": 0}
    return RunState.WAVE_DONE, {**told, "failures": failures, "began": "2026-03-01T12:00:00+00:00", **other}


def watched(seen: int, **other: Any) -> Recorded:
    told = {"check": "attached", "devices": 2, "seen": seen, "needed": 1, "waited_s": 600, "unread": "", **other}
    return RunState.WAVE_DONE, {"wave": 1, "waves": 2, "check": told}


def continued(make_run: MakeRun, *recorded: Recorded, **asked: object) -> Run:
    run = make_run(sims(4), settings={"waves": "2,rest"})
    run.request = run.request.model_copy(update=asked)
    planned(run, fleet_of(4), [Target.ACTIVATED] * 4)
    run.taken_over = True
    for state, detail in recorded:
        run.ledger.record_state(run.run_id, state, detail)
    return run


def decision(run: Run) -> str | None:
    return decided_before(run, cut(run.folder.table("plan.parquet"), run.pacing.sizes)[0])


ASKS, CHECKS = {"wave_approval": True}, {"wave_check": WaveCheck.ATTACHED}


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [
        ({}, [BEGUN, review(0)]),
        (ASKS, [BEGUN, review(0), APPROVED]),
        (CHECKS, [BEGUN, review(0), watched(1, waited_s=3)]),
        (ASKS | CHECKS, [BEGUN, review(0), watched(1), APPROVED]),
    ],
)
def test_a_wave_of_which_everything_is_recorded_is_not_reviewed_again(
    make_run: MakeRun, asked: dict[str, object], recorded: list[Recorded]
) -> None:
    assert decision(continued(make_run, *recorded, **asked)) == ""


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [
        ({}, [BEGUN]),
        ({}, [BEGUN, review(0, wave=2)]),
        ({}, [BEGUN, review(0, limit=1)]),
        ({}, [(RunState.APPLYING, {"waves": ["50%"]}), review(0)]),
        (ASKS, [BEGUN, review(0)]),
        (ASKS, [BEGUN, review(0), (RunState.APPROVED, {"who": "Grace"})]),
        (ASKS, [BEGUN, review(0), APPROVED, review(0)]),
        (CHECKS, [BEGUN, review(0)]),
        (CHECKS, [BEGUN, review(0), watched(0, waited_s=3)]),
        (CHECKS, [BEGUN, review(0), watched(1, check="no-alerts")]),
    ],
)
def test_a_wave_of_which_something_is_missing_is_reviewed(
    make_run: MakeRun, asked: dict[str, object], recorded: list[Recorded]
) -> None:
    assert decision(continued(make_run, *recorded, **asked)) is None


@pytest.mark.parametrize(
    ("asked", "recorded", "why"),
    [
        (ASKS, [BEGUN, review(1)], "wave 1 of 2: 1 of 2 devices are in sync, 1 is not (limit 0)"),
        (ASKS | CHECKS, [BEGUN, review(0), watched(0)], "0 of 2 activated devices attached to a network within 600 s"),
        (CHECKS, [BEGUN, review(0), watched(0, unread="away")], "events could not be read (away)"),
    ],
)
def test_what_failed_before_stops_the_run_still(
    make_run: MakeRun, asked: dict[str, object], recorded: list[Recorded], why: str
) -> None:
    assert why in (decision(continued(make_run, *recorded, **asked)) or "")


def test_only_a_run_that_was_taken_over_has_an_earlier_process(make_run: MakeRun) -> None:
    run = continued(make_run, BEGUN, review(0))
    run.taken_over = False
    assert decision(run) is None


class Deaf:
    """A carrier whose events can't be read."""

    async def events(self, *asked: object) -> None:
        raise CarrierUnavailable("no answer")


def test_once_a_wave_was_watched_the_line_says_nothing_of_watching(make_run: MakeRun) -> None:
    run, hooks, seen = continued(make_run, BEGUN, **CHECKS), ProgressHooks(), []

    async def wait(seconds: float) -> bool:
        seen.append(hooks.meter.line())
        return True

    async def watch() -> str:
        progress.install(hooks)
        wave = cut(run.folder.table("plan.parquet"), run.pacing.sizes)[0]
        return await objection(run, cast("Carrier", Deaf()), wave, run.ledger.clock(), wait)

    assert "no answer" in asyncio.run(watch())
    assert seen == ["watching the carrier's events for wave 1 of 2: attached"]
    assert hooks.meter.line() == "sent"

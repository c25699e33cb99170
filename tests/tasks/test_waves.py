"""Between the waves of a run that another process continues: what is on record is not asked again."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from flows.bulk_update import patch_batches
from schemas.parameters import BulkUpdate, Wish
from schemas.statuses import Half, Outcome, StoppedBy, Target
from simtandem import progress
from simtandem.domain.waves import Wave, WaveResult
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import OutcomeRecord, RunKind, RunState
from simtandem.runs.run import Run
from simtandem.settings import Settings
from tasks import waves
from tasks.session import Session
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import planned
from tests.simtandem.runs.sending import fleet_of

REVIEW = {"wave": 1, "waves": 2, "devices": 1, "verdicts": {"in_sync": 1}, "failures": 0, "limit": 0}
FAILED = {**REVIEW, "verdicts": {"failed": 1}, "failures": 1}
APPROVED = (RunState.APPROVED, {"wave": 1, "who": "Grace"})


class Asking(progress.ProgressHooks):
    """Someone at a terminal, who says yes."""

    can_ask = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def ask(self, question: str, given_up: object) -> bool:
        self.asked.append(question)
        return True


@pytest.fixture
def hooks() -> Iterator[Asking]:
    mine = Asking()
    progress.install(mine)
    yield mine
    progress.install(progress.ProgressHooks())


@pytest.fixture
def run(tmp_path: Path, hooks: Asking) -> Iterator[Run]:
    """A run whose process died once it had sent all of its two waves."""
    request = BulkUpdate(file="all.csv", to=Wish.ACTIVATED, waves="1,rest", wave_approval=True)
    made = Run.begin(request, RunKind.APPLY, Settings(home=tmp_path))
    planned(made, fleet_of(2), [Target.ACTIVATED] * 2)
    made.ledger.record_state(made.run_id, RunState.APPLYING, {"waves": ["1"]})
    sent = [OutcomeRecord(row, half, Outcome.APPLIED, 1) for row in (2, 3) for half in Half]
    made.ledger.record_outcomes(made.run_id, sent)
    made.taken_over = True
    yield made
    made.close()


async def go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[Session, list[int]]:
    """The session after its waves, and which of them were reviewed, without Prefect."""
    reviewed: list[int] = []

    async def review(session: Session, wave: Wave, began: datetime) -> WaveResult:
        reviewed.append(wave.number)
        return WaveResult(wave.number, wave.waves, 1, {"in_sync": 1}, 0, 0)

    async def show(*_: object) -> None:
        pass

    monkeypatch.setattr(waves, "review_wave", review)
    monkeypatch.setattr(waves, "show_wave", show)
    carrier = ActingCarrier(fleet_of(2))
    async with CallWriter(run.ledger, run.run_id) as journal:
        session = Session(run, carrier, journal)
        await patch_batches(session)
    assert (carrier.sent, carrier.reads) == ([], [])
    return session, reviewed


async def test_a_wave_that_was_reviewed_and_approved_is_not_asked_about_again(
    run: Run, hooks: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.ledger.record_state(run.run_id, RunState.WAVE_DONE, REVIEW)
    run.ledger.record_state(run.run_id, *APPROVED)
    session, reviewed = await go_on(run, monkeypatch)
    assert (reviewed, hooks.asked, session.stop) == ([], [], None)


async def test_a_review_that_nobody_approved_yet_is_asked_about(
    run: Run, hooks: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.ledger.record_state(run.run_id, RunState.WAVE_DONE, REVIEW)
    session, reviewed = await go_on(run, monkeypatch)
    assert (reviewed, len(hooks.asked), session.stop) == ([1], 1, None)


async def test_a_wave_that_had_failed_stops_the_run(run: Run, hooks: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    run.ledger.record_state(run.run_id, RunState.WAVE_DONE, FAILED)
    session, reviewed = await go_on(run, monkeypatch)
    assert (reviewed, hooks.asked) == ([], [])
    assert session.stop
    assert (session.stop.by, "1 is not (limit 0)" in session.stop.why) == (StoppedBy.WAVE, True)

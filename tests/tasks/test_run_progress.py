"""How far a run is, in Prefect's UI."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.statuses import Half, Outcome
from simtandem.progress import ProgressHooks, Sending
from tasks import run_progress
from tasks.run_progress import RunProgress
from tests.kept_records import Kept, kept_records


class Clock:
    """Time that passes when it is told to."""

    s = 0.0

    def __call__(self) -> float:
        return self.s


class Artifacts:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[float, str]] = []

    async def create(self, share: float, *, description: str) -> UUID:
        self.shown.append((share, description))
        return uuid4()

    async def update(self, _artifact: UUID, share: float, description: str) -> None:
        self.shown.append((share, description))


@pytest.fixture
def logged() -> Iterator[Kept]:
    with kept_records("simtandem.progress") as kept:
        yield kept


@pytest.fixture
def artifacts(monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    kept = Artifacts()
    monkeypatch.setattr(run_progress, "acreate_progress_artifact", kept.create)
    monkeypatch.setattr(run_progress, "aupdate_progress_artifact", kept.update)
    return kept


async def test_the_artifact_moves_with_the_devices_and_ends_with_their_counts(artifacts: Artifacts) -> None:
    hooks: Any = ProgressHooks()
    shown = RunProgress(hooks)
    hooks.applies(Sending(4, 4, 0, 4))
    await shown.begin(2)
    await shown.update()
    hooks.ended(Half.SIM, Outcome.APPLIED)
    hooks.devices_done(1)
    await shown.update()
    hooks.ended(Half.SIM, Outcome.REFUSED, 3)
    await shown.end()
    assert [share for share, _ in artifacts.shown] == [0.0, 25.0, 25.0], "what has not changed is not shown again"
    assert artifacts.shown[1][1].startswith("Progress: 1 of 4 devices")
    assert artifacts.shown[-1][1] == "Progress: 1 of 4 devices · changes: 3 refused"


async def test_a_run_that_sends_nothing_has_no_artifact(artifacts: Artifacts) -> None:
    shown = RunProgress(ProgressHooks())
    await shown.begin(0)
    await shown.update()
    await shown.end()
    assert artifacts.shown == []


async def test_the_log_says_at_least_every_half_minute_why_nothing_moves(artifacts: Artifacts, logged: Kept) -> None:
    hooks, clock = ProgressHooks(), Clock()
    shown = RunProgress(hooks, clock)
    hooks.applies(Sending(4, 4, 0, 4))
    await shown.begin(1)
    with hooks.waits("waiting for another run to end"):
        for second in range(1, 71):
            clock.s = float(second)
            await shown.tick()
    assert len(logged.records) == 3
    assert all("waiting for another run to end" in each.getMessage() for each in logged.records)
    assert "waiting for another run to end" in artifacts.shown[-1][1]


async def test_a_terminal_that_shows_it_is_not_told_a_second_time(artifacts: Artifacts, logged: Kept) -> None:
    hooks, clock = ProgressHooks(), Clock()
    hooks.attended = True
    shown = RunProgress(hooks, clock)
    hooks.applies(Sending(4, 4, 0, 4))
    await shown.begin(1)
    clock.s = 300.0
    await shown.tick()
    assert logged.records == []
    assert artifacts.shown

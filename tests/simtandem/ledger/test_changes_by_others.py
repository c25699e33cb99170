"""Whether another run has changed something meanwhile: what a run asks before it sends a plan made some time ago."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from schemas.accounts import DEFAULT, AccountKey
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import Clock

MakeRecord = Callable[..., RunRecord]
PATCH = Call("PATCH", "/api/v1/sim/1", "change")


@pytest.fixture
def runs(ledger: Ledger, a_run: MakeRecord) -> Ledger:
    """Ours, another one, and one at another carrier."""
    for run_id, host in (("ours", "cdn.emnify.net"), ("other", "cdn.emnify.net"), ("elsewhere", "bics.example")):
        ledger.start_run(a_run(run_id, carrier_host=host))
    return ledger


async def send(ledger: Ledger, run_id: str, call: Call = PATCH, answered_after: float | None = 0.0) -> None:
    async with CallWriter(ledger, run_id) as journal:
        call_id = await journal.intent(call)
        if answered_after is not None:
            ledger.clock.advance(answered_after)  # type: ignore[attr-defined]  # the test's clock
            await journal.answer(call_id, Answer(204, 0.1))


def ago(clock: Clock, seconds: float) -> datetime:
    return clock.now - timedelta(seconds=seconds)


async def test_a_change_sent_since_then_counts_and_an_earlier_one_does_not(runs: Ledger, clock: Clock) -> None:
    await send(runs, "other")
    assert runs.changed_by_others("ours", ago(clock, 0))
    clock.advance(1)
    assert not runs.changed_by_others("ours", ago(clock, 0))
    assert runs.changed_by_others("ours", ago(clock, 1))


@pytest.mark.parametrize("spelled", ["CDN.emnify.net", "cdn.emnify.net:443", "cdn.emnify.net."])
async def test_a_carrier_is_the_same_however_its_host_was_spelled(
    ledger: Ledger, clock: Clock, a_run: MakeRecord, spelled: str
) -> None:
    for run_id, host in (("ours", "cdn.emnify.net"), ("older", spelled)):
        ledger.start_run(a_run(run_id, carrier_host=host))
    await send(ledger, "older")
    assert ledger.changed_by_others("ours", ago(clock, 10))
    assert ledger.changed_by_others("older", ago(clock, 10)) is False
    assert ledger.changes_at(AccountKey(DEFAULT, "cdn.emnify.net"), but_for="ours", since=ago(clock, 10))[
        "run_id"
    ].to_list() == ["older"]


@pytest.mark.parametrize("run_id", ["ours", "elsewhere"])
async def test_our_own_changes_and_those_at_another_carrier_do_not_count(
    runs: Ledger, clock: Clock, run_id: str
) -> None:
    await send(runs, run_id)
    assert not runs.changed_by_others("ours", ago(clock, 10))


@pytest.mark.parametrize(
    ("purpose", "counts"), [("read", False), ("list", False), ("change", True), ("put_back", True)]
)
async def test_only_calls_that_change_something_count(runs: Ledger, clock: Clock, purpose: str, counts: bool) -> None:
    await send(runs, "other", Call("PATCH", "/api/v1/sim/1", purpose))
    assert runs.changed_by_others("ours", ago(clock, 10)) is counts


async def test_a_change_that_was_on_its_way_then_counts(runs: Ledger, clock: Clock) -> None:
    await send(runs, "other", answered_after=5)
    assert runs.changed_by_others("ours", ago(clock, 3))


async def test_a_change_without_answer_counts_while_it_may_be_on_its_way(runs: Ledger, clock: Clock) -> None:
    await send(runs, "other", answered_after=None)
    clock.advance(60)
    assert runs.changed_by_others("ours", ago(clock, 0))
    clock.advance(60)
    assert not runs.changed_by_others("ours", ago(clock, 0))


async def test_the_last_change_without_answer_is_known(runs: Ledger, clock: Clock) -> None:
    assert runs.last_unanswered_by_others("ours", ago(clock, 90)) is None
    await send(runs, "other", answered_after=None)
    clock.advance(1)
    await send(runs, "other", answered_after=None)
    sent_at = clock.now
    clock.advance(1)
    await send(runs, "other")
    await send(runs, "ours", answered_after=None)
    assert runs.last_unanswered_by_others("ours", ago(clock, 90)) == sent_at
    assert runs.last_unanswered_by_others("ours", ago(clock, 0)) is None

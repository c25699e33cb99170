import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from typing import NoReturn, Protocol

import pytest
from sqlalchemy import event

from schemas.statuses import Half, Outcome
from simtandem.carriers.protocol import Answer, Call, Journal
from simtandem.errors import LedgerError
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import CHANGING, CallCounts, OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger

RUN = "20260131-a"
PATCH = Call("PATCH", "/api/v1/sim/11", "change", 1, '{"status": {"id": 1}}')
MakeRun = Callable[..., RunRecord]
Lock = Callable[[str], AbstractContextManager[None]]

WRITE_UNTIL_KILLED = """
import asyncio, sys
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger.store import Ledger
from simtandem.ledger.journal import CallWriter

async def main():
    ledger = Ledger.open(sys.argv[1])
    async with CallWriter(ledger, sys.argv[2]) as journal:
        async def send():
            while True:
                call_id = await journal.intent(Call("PATCH", "/api/v1/sim/11", "change"))
                print("intent", call_id, flush=True)
                await journal.answer(call_id, Answer(204, 0.1))
                print("answer", call_id, flush=True)
        await asyncio.gather(*(send() for _ in range(8)))

asyncio.run(main())
"""


class Moving(Protocol):
    def advance(self, seconds: float) -> None: ...


class BurningDatabase:
    """Fails in a way that no database driver does."""

    def waited_out(self, _work: object) -> NoReturn:
        raise RuntimeError("it burns")


class Commits:
    """Counts a ledger's commits from now on."""

    def __init__(self, ledger: Ledger) -> None:
        self.count = 0
        event.listen(ledger.database._engine, "commit", self._hear)

    def _hear(self, _connection: object) -> None:
        self.count += 1


@pytest.fixture
def started(ledger: Ledger, a_run: MakeRun) -> Ledger:
    ledger.start_run(a_run())
    return ledger


async def test_calls_and_answers_are_recorded_with_their_times(started: Ledger, clock: Moving) -> None:
    async with CallWriter(started, RUN) as writer:
        journal: Journal = writer
        call_id = await journal.intent(PATCH)
        clock.advance(0.25)
        await journal.answer(call_id, Answer(404, 0.25, 1201, "", "req-1"))
        clock.advance(1)
        other = await journal.intent(Call("GET", "/api/v1/sim/11", "read_back", 2))
    found = started.calls(RUN)
    at = datetime(2026, 1, 31, 23, 59, 59, 123_000, tzinfo=UTC)
    assert found.rows(named=True) == [
        {
            "call_id": call_id,
            "at": at,
            "method": "PATCH",
            "path": "/api/v1/sim/11",
            "purpose": "change",
            "attempt": 1,
            "body": '{"status": {"id": 1}}',
            "answered_at": at.replace(microsecond=373_000),
            "status": 404,
            "seconds": 0.25,
            "error_code": 1201,
            "fault": "",
            "request_id": "req-1",
        },
        {
            "call_id": other,
            "at": datetime(2026, 2, 1, 0, 0, 0, 373_000, tzinfo=UTC),
            "method": "GET",
            "path": "/api/v1/sim/11",
            "purpose": "read_back",
            "attempt": 2,
            "body": None,
            **dict.fromkeys(("answered_at", "status", "seconds", "error_code", "fault", "request_id")),
        },
    ]
    assert call_id.startswith(f"{RUN}:")


async def test_an_intent_is_there_for_others_as_soon_as_it_is_acknowledged(started: Ledger, url: str) -> None:
    with closing(Ledger.open(url)) as other:
        async with CallWriter(started, RUN) as journal:
            call_id = await journal.intent(PATCH)
            assert other.calls(RUN)["call_id"].to_list() == [call_id]
            await journal.answer(call_id, Answer(204, 0.1))
            assert other.calls(RUN)["status"].to_list() == [204]
            await journal.outcome([OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1, 204)])
            assert other.outcomes(RUN).rows() == [(2, "sim", "applied", 1, 204, "")]


async def test_counts_tell_retried_throttled_and_unanswered_calls_apart(started: Ledger) -> None:
    async with CallWriter(started, RUN) as journal:
        answers = [
            Answer(204, 0.1),
            Answer(429, 0.1),
            Answer(None, 30.0, fault="timeout"),
            Answer(200, 0.1, fault="not JSON"),
        ]
        for number, answer in enumerate(answers):
            call = Call("PATCH", f"/api/v1/sim/{number}", "change", attempt=1 + number % 2)
            await journal.answer(await journal.intent(call), answer)
        await journal.intent(PATCH)
        await journal.outcome([])
    assert started.call_counts(RUN) == CallCounts(total=5, retried=2, throttled=1, unanswered=3)
    assert started.call_counts("another") == CallCounts(0, 0, 0, 0)


async def test_many_callers_share_a_commit_and_the_loop_runs_on_meanwhile(
    started: Ledger, url: str, lock: Lock
) -> None:
    commits = Commits(started)
    async with CallWriter(started, RUN) as journal:
        with lock(url):
            waiting = [asyncio.create_task(journal.intent(PATCH)) for _ in range(8)]
            for _ in range(100):
                await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
        ids = await asyncio.gather(*waiting)
    assert len(set(ids)) == 8
    assert started.calls(RUN).height == 8
    assert commits.count <= 2 + 1  # one for whoever came first, one for all others; and the look at the result


async def test_the_last_answer_of_a_step_is_durable_with_how_it_ended_and_before_the_next_call(
    started: Ledger, url: str, lock: Lock
) -> None:
    async with CallWriter(started, RUN) as journal:
        call_id = await journal.intent(PATCH)
        with lock(url):
            await journal.answer(call_id, Answer(204, 0.1, last=True))  # nobody waits for it
            following = asyncio.create_task(journal.intent(PATCH))
            await asyncio.sleep(0)
            assert not following.done()
        await following
        with closing(Ledger.open(url)) as other:
            assert other.calls(RUN)["status"].to_list() == [204, None]


async def test_a_failure_to_write_the_last_answer_of_a_step_is_that_of_whoever_comes_next(started: Ledger) -> None:
    with pytest.raises(LedgerError):
        async with CallWriter(started, RUN) as journal:
            await journal.answer("nothing", Answer(204, 0.1, last=True))


async def test_writers_of_one_run_do_not_get_in_each_others_way(started: Ledger) -> None:
    async with CallWriter(started, RUN) as one, CallWriter(started, RUN) as two:
        ids = await asyncio.gather(*(journal.intent(PATCH) for journal in (one, two) * 20))
    assert len(set(ids)) == 40
    assert set(started.calls(RUN)["call_id"]) == set(ids)


async def test_a_cancelled_caller_does_not_take_back_what_it_handed_over(started: Ledger, url: str, lock: Lock) -> None:
    async with CallWriter(started, RUN) as journal:
        call_id = await journal.intent(PATCH)
        with lock(url):
            waiting = asyncio.create_task(journal.answer(call_id, Answer(204, 0.1)))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await journal.intent(PATCH)
    assert sorted(started.calls(RUN)["status"].to_list(), key=str) == [204, None]


async def test_a_locked_ledger_fails_everybody_waiting_and_everybody_after(
    url: str, lock: Lock, a_run: MakeRun
) -> None:
    with closing(Ledger.open(url, busy_timeout=0.1)) as ledger:
        ledger.start_run(a_run())
        journal = await CallWriter(ledger, RUN).__aenter__()
        with lock(url):
            told = await asyncio.gather(*(journal.intent(PATCH) for _ in range(8)), return_exceptions=True)
        assert [type(each) for each in told] == [LedgerError] * 8
        with pytest.raises(LedgerError, match="is locked by another program"):
            await journal.intent(PATCH)  # the lock is gone, yet what was lost is lost
        with pytest.raises(LedgerError, match="is locked by another program"):
            await journal.__aexit__(None, None, None)
        assert ledger.calls(RUN).is_empty()


async def test_a_full_disk_stops_the_journal(sqlite_url: str, a_run: MakeRun) -> None:
    acknowledged: list[str] = []

    async def write_on(ledger: Ledger) -> None:
        async with CallWriter(ledger, RUN) as journal:
            while len(acknowledged) < 10_000:
                acknowledged.append(await journal.intent(PATCH))

    with closing(Ledger.open(sqlite_url)) as ledger:
        ledger.start_run(a_run())
        with ledger.database.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match="the disk is full"):
            await write_on(ledger)
        assert 0 < len(acknowledged) < 10_000
        assert set(acknowledged) == set(ledger.calls(RUN)["call_id"])


async def test_an_answer_to_nothing_is_an_error(started: Ledger) -> None:
    with pytest.raises(LedgerError, match="lacks what it refers to"):
        async with CallWriter(started, RUN) as journal:
            await journal.answer("nobody:1", Answer(204, 0.1))


async def test_those_who_wait_hear_of_a_failure_that_nobody_foresaw() -> None:
    with pytest.raises(LedgerError, match="The ledger can't be written: it burns"):
        async with CallWriter(Ledger(BurningDatabase()), RUN) as journal:  # type: ignore[arg-type]
            await journal.intent(PATCH)


async def test_nothing_is_written_before_the_journal_opens_or_after_it_closes(started: Ledger) -> None:
    journal = CallWriter(started, RUN)
    with pytest.raises(LedgerError, match="is not open"):
        await journal.intent(PATCH)
    async with journal:
        await journal.intent(PATCH)
    with pytest.raises(LedgerError, match="is not open"):
        await journal.intent(PATCH)
    assert started.calls(RUN).height == 1


async def test_an_error_inside_is_the_one_that_leaves(started: Ledger) -> None:
    async def give_up_after_a_failure() -> None:
        async with CallWriter(started, RUN) as journal:
            with pytest.raises(LedgerError):
                await journal.answer("nobody:1", Answer(204, 0.1))
            raise KeyError

    with pytest.raises(KeyError):
        await give_up_after_a_failure()


def test_whatever_was_acknowledged_survives_a_kill(started: Ledger, url: str) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, url, RUN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(300)]
        child.kill()
        told += child.stdout.readlines()
    acknowledged: dict[str, set[str]] = {"intent": set(), "answer": set()}
    if not told[-1].endswith("\n"):
        told.pop()  # the kill cut it off: it acknowledges nothing
    for line in told:
        what, call_id = line.split()
        acknowledged[what].add(call_id)
    assert len(acknowledged["answer"]) > 100

    with closing(Ledger.open(url)) as reopened:
        found = reopened.calls(RUN)
        assert acknowledged["intent"] <= set(found["call_id"])
        assert acknowledged["answer"] <= set(found.drop_nulls("status")["call_id"])
        assert found.height - len(acknowledged["intent"]) <= 8  # no more than was on its way
        reopened.record_state(RUN, RunState.INTERRUPTED, {})
        assert reopened.run(RUN).state is RunState.INTERRUPTED


@pytest.mark.parametrize("kind", [kind for kind in RunKind if kind not in CHANGING])
@pytest.mark.parametrize("call", [PATCH, Call("PATCH", "/api/v1/sim/11", "read"), Call("POST", "/api/v1/sim", "list")])
async def test_what_is_recorded_as_a_look_can_send_no_change_whatever_the_call_is_called(
    ledger: Ledger, a_run: MakeRun, kind: RunKind, call: Call
) -> None:
    ledger.start_run(a_run(RUN, kind=kind))

    async def send() -> None:
        async with CallWriter(ledger, RUN) as journal:
            await journal.intent(Call("POST", "/api/v1/authenticate", "authenticate"))
            await journal.intent(Call("GET", "/api/v1/sim/11", "read"))
            await journal.intent(call)

    with pytest.raises(LedgerError, match=f"recorded as {kind}"):
        await send()
    assert ledger.calls(RUN)["method"].to_list() == ["POST", "GET"]


async def test_the_end_of_a_step_is_committed_with_the_call_that_goes_next(started: Ledger) -> None:
    patient = 20.0
    async with CallWriter(started, RUN, gathers_s=patient) as journal, asyncio.timeout(patient / 2):
        call_id, commits = await journal.intent(PATCH), Commits(started)
        await journal.answer(call_id, Answer(204, 0.1, last=True))
        await asyncio.gather(journal.outcome([OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1)]), journal.intent(PATCH))
        assert commits.count == 1
    assert started.calls(RUN)["status"].to_list() == [204, None]
    assert started.outcomes(RUN)["outcome"].to_list() == ["applied"]


async def test_the_end_of_a_step_does_not_wait_long_for_a_call_that_never_goes(started: Ledger) -> None:
    async with CallWriter(started, RUN) as journal, asyncio.timeout(30):
        call_id, commits = await journal.intent(PATCH), Commits(started)
        await journal.answer(call_id, Answer(204, 0.1, last=True))
        await journal.outcome([OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1)])
        assert commits.count == 1
        assert started.calls(RUN)["status"].to_list() == [204]


async def test_an_answer_whose_step_never_ended_is_committed_when_the_journal_is_closed(started: Ledger) -> None:
    async with CallWriter(started, RUN) as journal:
        await journal.answer(await journal.intent(PATCH), Answer(204, 0.1, last=True))
    assert started.calls(RUN)["status"].to_list() == [204]

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from threading import Thread

import pytest
from sqlalchemy import text

from schemas.statuses import Half, Outcome
from simtandem.errors import LedgerError
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.integrity.proof import Proof, Standing
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.records import OutcomeRecord, RunRecord, RunState
from simtandem.ledger.store import Ledger

RUN = "20260131-a"
MakeRun = Callable[..., RunRecord]

SEND = """
import asyncio, itertools, sys
from schemas.statuses import Half, Outcome
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger.records import OutcomeRecord
from simtandem.ledger.store import Ledger
from simtandem.ledger.journal import CallWriter

async def main(url, run_id, count):
    async with CallWriter(Ledger.open(url), run_id) as journal:
        async def send():
            for number in itertools.islice(itertools.count(), count):
                call_id = await journal.intent(Call("PATCH", "/api/v1/sim/11", "change"))
                await journal.answer(call_id, Answer(204, 0.1))
                await journal.outcome([OutcomeRecord(number, Half.SIM, Outcome.APPLIED, 1)])
                print("sent", flush=True)
        await asyncio.gather(*(send() for _ in range(4)))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) or None))
"""


def proof_of(ledger: Ledger, run_id: str = RUN) -> Proof:
    with ledger.database.snapshot() as connection:
        return verify_chain(run_id, Recorded(connection, run_id))


def start_sending(url: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SEND, url, RUN, str(count)], stdout=subprocess.PIPE, text=True)


def test_every_link_follows_from_the_one_before(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run())
    first = ledger.head(RUN)
    ledger.record_state(RUN, RunState.APPLYING, {})
    second = ledger.head(RUN)
    ledger.start_run(a_run("another"))
    assert first is not None
    assert second is not None
    assert (first.facts, second.facts) == (1, 2)
    assert first.hash != second.hash
    assert ledger.head(RUN) == second
    assert ledger.head("nobody") is None


def test_the_same_fact_in_another_run_has_another_head(ledger: Ledger, a_run: MakeRun) -> None:
    for run_id in ("one", "two"):
        ledger.start_run(a_run(run_id))
    assert len(set(ledger.heads(["one", "two"]).values())) == 2


def test_nothing_recorded_is_no_link(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run())
    before = ledger.head(RUN)
    ledger.record_outcomes(RUN, [])
    assert ledger.head(RUN) == before


def test_what_fails_leaves_neither_fact_nor_link(ledger: Ledger, a_run: MakeRun) -> None:
    def fail() -> None:
        with ledger.database.write() as connection, Chain(connection, RUN) as chain:
            chain.add(Kind.STATE, ["1 applying"], [b"\0" * 32])
            connection.execute(text("SELECT nothing FROM nowhere"))

    ledger.start_run(a_run())
    before = ledger.head(RUN)
    with pytest.raises(LedgerError):
        fail()
    assert ledger.head(RUN) == before


def test_the_state_that_ends_a_run_remembers_the_head_before_it(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run())
    ledger.record_state(RUN, RunState.APPLYING, {})
    before = ledger.head(RUN)
    assert before is not None
    ledger.record_state(RUN, RunState.FAILED, {"error": "it broke"}, sealed=True)
    chain = {"head": before.hash, "facts": before.facts}
    assert ledger.states(RUN)[-1].detail == {"error": "it broke", "chain": chain}


def test_threads_and_processes_that_write_to_one_run_make_one_chain(ledger: Ledger, a_run: MakeRun, url: str) -> None:
    def record() -> None:
        with closing(Ledger.open(url)) as own:
            for row in range(2, 12):
                own.record_outcomes(RUN, [OutcomeRecord(row, half, Outcome.APPLIED, 1) for half in Half])

    ledger.start_run(a_run())
    children = [start_sending(url, 10) for _ in range(2)]
    threads = [Thread(target=record) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "sent\n"
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    proof = proof_of(ledger)
    assert proof.standing is Standing.UNTOUCHED
    assert proof.counts == {"run": 1, "call": 80, "answer": 80, "outcome": 80 + 40}


def test_outcomes_are_numbered_in_the_order_of_the_chain(ledger: Ledger, a_run: MakeRun) -> None:
    for run_id in (RUN, "another"):
        ledger.start_run(a_run(run_id))
    for row in (2, 3):
        for run_id in (RUN, "another"):
            ledger.record_outcomes(run_id, [OutcomeRecord(row, half, Outcome.APPLIED, 1) for half in Half])
    with ledger.database.read() as connection:
        refs = text("SELECT refs FROM links WHERE kind = 'outcome' ORDER BY seq, run_id DESC")
        found = [int(ref.split(" ")[0]) for text in connection.scalars(refs) for ref in text[2:-2].split('","')]
    assert sorted(found) == list(range(1, 9))
    assert found[:2] < found[4:6]


def test_a_kill_leaves_a_chain_that_verifies(ledger: Ledger, a_run: MakeRun, url: str) -> None:
    ledger.start_run(a_run())
    with start_sending(url, 0) as child:
        assert child.stdout is not None
        for _ in range(20):
            assert child.stdout.readline() == "sent\n"
        child.kill()
    proof = proof_of(ledger)
    assert proof.standing is Standing.UNTOUCHED
    assert proof.counts["answer"] >= 20
    ledger.record_state(RUN, RunState.INTERRUPTED, {}, sealed=True)
    assert proof_of(ledger).standing is Standing.UNTOUCHED


def test_a_proof_of_a_run_that_goes_on_meanwhile_sees_one_moment(ledger: Ledger, a_run: MakeRun, url: str) -> None:
    ledger.start_run(a_run())
    with closing(Ledger.open(url)) as other, ledger.database.snapshot() as connection:
        source = Recorded(connection, RUN)
        assert len(list(source.links())) == 1
        other.record_state(RUN, RunState.APPLYING, {})
        assert verify_chain(RUN, source).counts == {"run": 1}
    assert proof_of(ledger).counts == {"run": 1, "state": 1}

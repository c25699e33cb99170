"""A ledger that is away for a moment, or locked for longer than that, is waited for; then an error says so."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import Connection, text

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.carriers.protocol import Answer, Call
from simtandem.errors import LedgerError, LedgerUnavailable
from simtandem.ledger import flow_runs
from simtandem.ledger.claims import Claimed, changed_hands, claim, current_turn, release
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.integrity.proof import Standing
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.leases import Lease, held
from simtandem.ledger.outage import waited_out
from simtandem.ledger.records import OutcomeRecord, RunRecord, RunState
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.test_journal import PATCH

RUN = "20260131-a"
MakeRun = Callable[..., RunRecord]


class Wire:
    """The way to a PostgreSQL server: it can be cut, be away, and lose the answer to a commit."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: list[socket.socket] = []
        self.lose_answer_to_commit = False
        self.refuse = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection there is; the next so many are refused as well, if `refuse` says so."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.refuse:
                    self.refuse -= 1
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._carry, args=(client, server, b"\0no answer"), daemon=True).start()
                threading.Thread(target=self._carry, args=(server, client, b"COMMIT"), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, committed: bytes) -> None:
        """Pass on what comes. `committed` is how the server says that it has committed."""
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                if self.lose_answer_to_commit and committed in data:
                    self.lose_answer_to_commit = False
                    self.cut()
                    return
                target.sendall(data)


@pytest.fixture
def wire(postgres_server: str) -> Iterator[Wire]:
    parts = urlsplit(postgres_server)
    with closing(Wire(parts.hostname or "127.0.0.1", parts.port or 5432)) as opened:
        yield opened


@pytest.fixture
def remote(wire: Wire, new_schema: Callable[[], str], a_run: MakeRun) -> Iterator[Ledger]:
    """A ledger in PostgreSQL at the other end of the wire, with a run begun."""
    parts = urlsplit(new_schema())
    user = parts.netloc.rpartition("@")[0]
    url = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{wire.port}"))
    with closing(Ledger.open(url, busy_timeout=20)) as ledger:
        ledger.start_run(a_run())
        yield ledger


class Notes(progress.ProgressHooks):
    """Keeps what the operator is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def message(self, sentence: str) -> None:
        self.told.append(sentence)


def is_whole(ledger: Ledger) -> bool:
    with ledger.database.snapshot() as connection:
        return verify_chain(RUN, Recorded(connection, RUN)).standing is Standing.UNTOUCHED


async def test_a_run_that_sends_waits_while_the_database_is_away_and_tells_so(remote: Ledger, wire: Wire) -> None:
    notes = Notes()
    progress.install(notes)
    async with CallWriter(remote, RUN) as journal:
        first = await journal.intent(PATCH)
        wire.refuse = 3
        wire.cut()
        await journal.answer(first, Answer(204, 0.1))
        await journal.outcome([OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1, 204)])
    assert remote.calls(RUN)["status"].to_list() == [204]
    assert remote.outcomes(RUN).height == 1
    assert is_whole(remote)
    assert "does not answer; waiting for it, 20 s at most. Nothing is sent meanwhile." in notes.told[0]
    assert notes.told[-1].endswith("answers again.")


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(remote: Ledger, wire: Wire) -> None:
    async with CallWriter(remote, RUN) as journal:
        wire.lose_answer_to_commit = True
        call_id = await journal.intent(PATCH)
        wire.lose_answer_to_commit = True
        await journal.outcome([OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1, 204)])
    wire.lose_answer_to_commit = True
    remote.record_state(RUN, RunState.FINISHED, {}, sealed=True)
    assert not wire.lose_answer_to_commit
    assert remote.calls(RUN)["call_id"].to_list() == [call_id]
    assert [each.state for each in remote.states(RUN)] == [RunState.FINISHED]
    with remote.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM outcomes").scalar() == 1
    assert is_whole(remote)


def test_claims_whose_commit_lost_its_answer_are_there_once_and_say_who_had_the_devices_before(
    remote: Ledger, wire: Wire
) -> None:
    database, devices = remote.database, ["sim 1", "sim 2"]
    one, other = Lease(database, "host", "one"), Lease(database, "host", "other")
    one.begin()
    claim(database, one, ["sim 1"])
    before = current_turn(database, "host")
    one.end()

    answers_lost = iter(("begin", "claim", "release", "changed hands", "end"))

    def lose(step: str) -> None:
        assert (next(answers_lost), wire.lose_answer_to_commit) == (step, False), "the one before was lost"
        wire.lose_answer_to_commit = True

    lose("begin")
    holder = other.begin()
    assert [each.lease_id for each in held(database, "host")] == [holder.lease_id]
    lose("claim")
    claimed = claim(database, other, devices)
    assert isinstance(claimed, Claimed)
    assert list(claimed.before) == ["sim 1"], "nobody had the other one"
    assert claimed.touched("other", other.mine, lambda _: before) == {"sim 1"}
    lose("release")
    release(database, other, ["sim 2"])
    lose("changed hands")
    assert changed_hands(database, other, 0) == set()
    lose("end")
    other.end()
    assert not wire.lose_answer_to_commit
    assert held(database, "host") == []


def test_a_transaction_of_which_the_server_heard_nothing_for_too_long_is_begun_again(remote: Ledger) -> None:
    """So it is where the host stood still, or the network was cut, in the midst of it."""
    tries = []

    def work(connection: Connection) -> int:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '100ms'"))
        tries.append(1)
        if len(tries) == 1:
            time.sleep(0.5)
        return int(connection.scalar(text("SELECT 7")) or 0)

    assert remote.database.writing(work) == 7
    assert len(tries) == 2


def test_a_flow_run_that_was_taken_is_not_taken_for_another_process_ones_where_the_answer_was_lost(
    remote: Ledger, wire: Wire
) -> None:
    wire.lose_answer_to_commit = True
    taken = flow_runs.take(remote.database, Continued("f-1"), RUN)
    assert not wire.lose_answer_to_commit
    assert taken is not None
    assert (taken.epoch, taken.run_id) == (1, RUN)
    assert flow_runs.take(remote.database, Continued("f-1"), "another") is None


def test_what_is_read_is_read_again_where_the_connection_was_cut(remote: Ledger, wire: Wire) -> None:
    remote.record_state(RUN, RunState.PLANNED, {})
    wire.cut()
    assert len(remote.states(RUN)) == 1


async def test_a_database_that_stays_away_ends_the_run_with_its_reason(remote: Ledger, wire: Wire) -> None:
    remote.database.outage_s = 0.3
    wire.refuse = 1_000
    wire.cut()
    with pytest.raises(
        LedgerError, match=r"can't be reached.*It did not answer for.*Nothing was sent that is not recorded"
    ):
        async with CallWriter(remote, RUN) as journal:
            await journal.intent(PATCH)


def test_a_database_that_is_away_when_it_is_opened_is_an_error_at_once() -> None:
    with pytest.raises(LedgerUnavailable, match="can't be reached"):
        Ledger.open("postgresql+psycopg://ada@127.0.0.1:1/ledger")


def test_what_does_not_pass_is_not_waited_for() -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise LedgerError("The ledger can't grow: the disk is full.")

    with pytest.raises(LedgerError, match="disk is full"):
        waited_out(work, "ledger", 20)
    assert len(tries) == 1


async def test_a_lock_that_is_held_for_a_while_is_waited_for(
    sqlite_url: str, a_run: MakeRun, lock: Callable[[str], AbstractContextManager[None]]
) -> None:
    with closing(Ledger.open(sqlite_url)) as ledger:
        ledger.start_run(a_run())
        async with CallWriter(ledger, RUN) as journal:
            with lock(sqlite_url):
                intent = asyncio.create_task(journal.intent(Call("PATCH", "/api/v1/sim/11", "change")))
                await asyncio.wait([intent], timeout=0.3)
                assert not intent.done()
            await intent
        assert ledger.calls(RUN).height == 1

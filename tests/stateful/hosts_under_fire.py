"""Two hosts of one ledger and two accounts, in real processes, while everything goes wrong; then what must hold.

A round has a seed. In it, hosts with names, homes and clocks of their own send overlapping lists to carriers that count
calls themselves. Processes are killed, stopped or frozen, the database is away or silent, once for a whole minute,
clocks are set, answers are lost. At the end every list is sent once more, undisturbed. What must hold is read from the
carriers, the ledger and the homes. No Prefect is in it: `tests/operation` has what becomes of runs whose server is
away.
"""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, cast
from urllib.parse import quote, urlsplit

import polars as pl
import psycopg
from psycopg import sql

from schemas.statuses import Verdict
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator, FaultKind, FaultRule
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from tests.end_to_end.sending_host import Order, planned, rest
from tests.stateful.cut_connection import CutConnection

TARGETS = {"activated": "Activated/Enabled", "suspended": "Suspended/Disabled"}
LOST_ANSWERS = FaultRule(FaultKind.RESET, method="PATCH", share=0.03, processed=True)
LOST_CALLS = FaultRule(FaultKind.RESET, method="PATCH", share=0.03)
HOSTS = ("north", "south")
_HARM = ("kill", "stop", "freeze", "stall", "restart", "start")
_ENDS_WITHIN_S = 300.0
_ENDS = (RunState.FINISHED, RunState.INTERRUPTED, RunState.FAILED)
_COMMAND = str(Path(sys.executable).with_name("simtandem"))


@dataclass(frozen=True, slots=True)
class Fire:
    """How much of it. The database is away for `away_s` at most, and once for `outage_s`.

    A frozen process is so for `frozen_s` at most. `targets`: so many times all devices are changed.
    """

    devices: int = 60
    calls: int = 100
    window_s: float = 15.0
    faults: int = 6
    away_s: float = 20.0
    outage_s: float = 60.0
    frozen_s: float = 45.0
    targets: int = 2


@dataclass(slots=True)
class Account:
    """An account with a carrier of its own, which counts for itself what it is asked."""

    name: str
    token: str
    carrier: Emulator
    target: str = "activated"
    runs: dict[str, int] = field(default_factory=dict)
    """Those that came to their end, and on which host."""

    @property
    def sims(self) -> list[int]:
        return sorted(self.carrier.fleet.sims)


@dataclass(slots=True)
class Sending:
    """A process that sends a list."""

    account: Account
    host: int
    process: "Popen[str]"
    complaints: Path
    disturbed: bool = False


class Round:
    """One round, in `folder`. `say` is told what happens."""

    def __init__(
        self, number: int, folder: Path, ledger_url: str, way: CutConnection, fire: Fire, say: Callable[[str], object]
    ) -> None:
        self._chance = random.Random(number)  # noqa: S311 - what goes wrong, by the seed
        self._folder, self._fire, self._say = folder, fire, say
        self._direct, self._way = ledger_url, way
        parts = urlsplit(ledger_url)
        user = f"{parts.username}@" if parts.username else ""
        self._through = parts._replace(netloc=f"{user}127.0.0.1:{way.port}").geturl()
        self._started = 0
        self.accounts: list[Account] = []

    def carry_out(self) -> None:
        """Set everything up, let it burn, put it out, and look."""
        with ExitStack() as stack:
            for name in ("default", "depot"):
                token = f"hush-{name}-{secrets.token_hex(12)}"
                carrier = stack.enter_context(Emulator([Group(self._fire.devices)], token=token))
                carrier.configure(calls=self._fire.calls, calls_window_s=self._fire.window_s, latency_s=0.03)
                self.accounts.append(Account(name, token, carrier))
            for target in list(TARGETS)[: self._fire.targets]:
                self._burn(target)

    def _burn(self, target: str) -> None:
        for account in self.accounts:
            account.target, account.runs = target, {}
            account.carrier.inject(LOST_ANSWERS, LOST_CALLS, seed=self._chance.randrange(2**31))
        sending: list[Sending] = []
        try:
            for account in self.accounts:
                sending += [self._send(account, host) for host in range(len(HOSTS))]
            planned(*(each.process for each in sending))
            self._disturb(sending)
            for each in sending:
                self._wait_for(each)
            for account in self.accounts:
                account.carrier.inject()
            self._settle()
        finally:
            for each in sending:
                each.process.kill()
                each.process.wait()
        self._look()

    def _send(self, account: Account, host: int, *, everything: bool = False, disturbed: bool = True) -> Sending:
        number = self._started = self._started + 1
        chosen = account.sims
        if not everything:
            chosen = self._chance.sample(chosen, self._chance.randint(len(chosen) // 2, len(chosen)))
        file = self._folder / f"list-{number}.csv"
        file.write_text("".join(f"{each}\n" for each in ("sim_id", *chosen)))
        order = Order(
            str(file),
            str(self._home(host)),
            self._through,
            account.carrier.url,
            to=account.target,
            clock_s=300.0 * host,
            batch_size=self._chance.choice((5, 10, 20)),
            calls=self._fire.calls,
            calls_window_s=self._fire.window_s,
            urgent=self._chance.random() < 0.2,
            account=account.name,
            token=account.token,
            host=HOSTS[host],
            jump_s=self._chance.choice((0.0, -3600.0, 86400.0)) if disturbed else 0.0,
            jump_after_s=self._chance.uniform(2, 10),
        )
        complaints = self._folder / f"stderr-{number}.txt"
        with complaints.open("w") as into:
            process = order.start(into)
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        return Sending(account, host, process, complaints)

    def _home(self, host: int) -> Path:
        return self._folder / f"host-{host}"

    def _disturb(self, sending: list[Sending]) -> None:
        harm = [self._chance.choice(_HARM) for _ in range(self._fire.faults)]
        harm[self._chance.randrange(len(harm))] = "outage"
        for what in harm:
            time.sleep(self._chance.uniform(0.5, 4))
            if what == "outage":
                self._cut(self._chance.choice(("stall", "restart")), self._fire.outage_s)
            elif what in ("stall", "restart"):
                self._cut(what, self._chance.uniform(0.5, self._fire.away_s))
            elif what == "start":
                self._say("another run begins")
                sending.append(self._send(self._chance.choice(self.accounts), self._chance.randrange(len(HOSTS))))
            elif alive := [each for each in sending if each.process.poll() is None]:
                self._harm(self._chance.choice(alive), what)

    def _cut(self, how: str, seconds: float) -> None:
        self._say(f"the database is away for {seconds:.1f} s ({how})")
        getattr(self._way, how)()
        time.sleep(seconds)
        self._way.heal()

    def _harm(self, victim: Sending, what: str) -> None:
        if what == "freeze":
            seconds = self._chance.uniform(0.5, self._fire.frozen_s)
            self._say(f"process {victim.process.pid} is frozen for {seconds:.1f} s")
            victim.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            victim.process.send_signal(signal.SIGCONT)
            return
        victim.disturbed = True
        self._say(f"process {victim.process.pid} is {'killed' if what == 'kill' else 'told to stop'}")
        victim.process.send_signal(signal.SIGKILL if what == "kill" else signal.SIGTERM)

    def _wait_for(self, each: Sending) -> None:
        """Until it has ended, by itself or as it was told to; in another way only where the database was away."""
        told = rest(each.process, _ENDS_WITHIN_S)
        last = each.complaints.read_text().strip().rpartition("\n")[2]
        if each.process.returncode == 0:
            each.account.runs[json.loads(told.splitlines()[-1])["run"]] = each.host
            return
        expected = ("simtandem.errors.", "KeyboardInterrupt", "asyncio.exceptions.CancelledError")
        assert each.process.returncode in (1, -9, -15), each.complaints.read_text()
        assert each.disturbed or last.startswith(expected), each.complaints.read_text()
        self._say(f"process {each.process.pid} ended: {last[:200]}")

    def _settle(self) -> None:
        """Everything once more, and nothing goes wrong."""
        last = [self._send(each, 0, everything=True, disturbed=False) for each in self.accounts]
        for each in last:
            self._wait_for(each)
            assert each.process.returncode == 0, each.complaints.read_text()

    def _look(self) -> None:
        for account in self.accounts:
            stats = account.carrier.stats()
            about = f"account {account.name}: {stats}"
            assert set(account.carrier.fleet.state_counts()) == {TARGETS[account.target]}, about
            assert stats["throttled"] == 0, about
            assert stats["most_calls_in_window"] <= self._fire.calls, about
            assert stats["endpoint_write_overlaps"] == 0, about
            assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (0, 0), about
            self._say(f"account {account.name}: {stats['most_calls_in_window']} calls in a window at most")
        self._everything_is_named()
        self._verifies()
        self._no_secret_anywhere()

    def _everything_is_named(self) -> None:
        """A run that came to its end says of each row how it stands, and why where that is not as asked."""
        with Ledger.open(self._direct) as ledger:
            for account in self.accounts:
                for run_id, host in account.runs.items():
                    results = ledger.results(run_id)
                    for row in results.iter_rows(named=True):
                        assert row["verdict"] == Verdict.IN_SYNC or row["reason"], (run_id, row)
                    self._is_one_run(ledger, run_id, host, results.height)
                in_sync = ledger.results(list(account.runs)[-1])["verdict"].to_list()
                assert in_sync == [Verdict.IN_SYNC] * len(account.sims), f"the last run of {account.name}"

    def _is_one_run(self, ledger: Ledger, run_id: str, host: int, rows: int) -> None:
        """Of one host, with one end and one report that counts each row once; what was answered is not sent again."""
        record = ledger.run(run_id).record
        assert (record.host, record.rows, ledger.plan(run_id).height) == (HOSTS[host], rows, rows), record
        ends = [each for each in ledger.states(run_id) if each.state in _ENDS]
        told = [cast("dict[str, Any]", each.detail["document"]) for each in ends]
        assert [sum(each["verdicts"].values()) for each in told] == [rows], (run_id, ends)
        assert len(list((self._home(host) / "runs" / run_id).glob("report.html"))) == 1, run_id
        done = ledger.calls(run_id).filter(pl.col("purpose") == "change", pl.col("status").is_between(200, 299))
        assert done.select("path", "body").is_unique().all(), (run_id, done)

    def _verifies(self) -> None:
        environment = {"PATH": os.environ["PATH"], "SIMTANDEM_HOME": str(self._home(0))}
        done = subprocess.run(
            [_COMMAND, "verify"],
            env={**environment, "SIMTANDEM_LEDGER_URL": self._direct},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _no_secret_anywhere(self) -> None:
        tokens = [each.token.encode() for each in self.accounts]
        for file in self._folder.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert not any(each in content for each in tokens), f"a token is in {file}"
        with connection(self._direct) as server:
            tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
            for (name,) in tables:
                query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE ANY(%s)").format(sql.Identifier(name))
                found = server.execute(query, [[f"%{each.token}%" for each in self.accounts]]).fetchone()
                assert found == (0,), f"a token is in table {name}"


def connection(url: str) -> psycopg.Connection:
    """To a database as the ledger's settings name it."""
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=5)


@contextmanager
def new_schema(server_url: str) -> Iterator[str]:
    """The URL of an empty schema, which is gone afterwards."""
    name = f"soak_{secrets.token_hex(6)}"
    with connection(server_url) as server:
        server.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    try:
        yield f"{server_url}?options={quote(f'-csearch_path={name}')}"
    finally:
        with connection(server_url) as server:
            server.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def play(number: int, folder: Path, server_url: str, fire: Fire, say: Callable[[str], object] = print) -> None:
    """One round by its seed. Raises AssertionError where something does not hold; then `folder` keeps all calls."""
    parts = urlsplit(server_url)
    with new_schema(server_url) as ledger_url, CutConnection(parts.hostname or "127.0.0.1", parts.port or 5432) as way:
        Ledger.open(ledger_url).close()
        try:
            Round(number, folder, ledger_url, way, fire, say).carry_out()
        except Exception:
            keep_calls(ledger_url, folder)
            raise


def keep_calls(ledger_url: str, folder: Path) -> None:
    """Write the calls and outcomes of every run beside the homes: the ledger is gone afterwards."""
    with Ledger.open(ledger_url) as ledger:
        for run in ledger.runs(limit=100):
            record = run.record
            ledger.calls(record.run_id).write_csv(folder / f"calls-{record.host}-{record.run_id}.csv")
            ledger.outcomes(record.run_id).write_csv(folder / f"outcomes-{record.host}-{record.run_id}.csv")

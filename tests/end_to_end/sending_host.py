"""One run as a host of its own would carry it out, without Prefect: home, ledger and clock are those it is given.

Run as a program, with one JSON document of `Order`'s fields. It prints `planned` before it sends, waits for a line, and
prints the run's outcomes, verdicts and exit code as JSON once it has ended.
"""

import asyncio
import json
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any

from schemas.parameters import BulkUpdate, Mode, Wish
from simtandem import progress
from simtandem.cli.interruption import stoppable
from simtandem.ledger import flow_runs
from simtandem.ledger.records import RunState
from simtandem.runs import finish, prepare, takeover
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from simtandem.runs.run import AskedOn, Run, kind_of
from simtandem.settings import Settings

BATCHES_UNDER_WAY = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What to do, as which host. `clock_s` is how far its clock is from the right time.

    `jump_s`: so far somebody sets its clock again, `jump_after_s` seconds after it began. `host` is its name, in place
    of this machine's: then others take its process for one that they can't look for.
    """

    file: str
    home: str
    ledger_url: str
    emnify_url: str
    to: str = "activated"
    clock_s: float = 0.0
    batch_size: int = 10
    calls: int = 100
    calls_window_s: float = 15.0
    urgent: bool = False
    account: str = "default"
    token: str = "hush-application-token-5f1c"
    jump_s: float = 0.0
    jump_after_s: float = 0.0
    store: str = ""
    retry_of: str = ""
    flow_run: str = ""
    host: str = ""

    def start(self, complaints: IO[str] | None = None) -> "Popen[str]":
        """The host's process; what it writes on stderr goes into that file, if there is one."""
        command = [sys.executable, "-m", "tests.end_to_end.sending_host", json.dumps(asdict(self))]
        return Popen(command, stdin=PIPE, stdout=PIPE, stderr=complaints, text=True)


def planned(*hosts: "Popen[str]") -> None:
    """Wait until these have planned."""
    for host in hosts:
        assert host.stdout
        assert host.stdout.readline() == "planned\n"


def send(*hosts: "Popen[str]") -> None:
    """Let these send now."""
    for host in hosts:
        assert host.stdin
        host.stdin.write("\n")
        host.stdin.flush()


def result(host: "Popen[str]", within_s: float = 240) -> dict[str, Any]:
    """What this one's run came to. It may wait until calls of a host that died have landed, 85 s at most."""
    told = rest(host, within_s)
    assert host.returncode == 0
    document: dict[str, Any] = json.loads(told)
    return document


def rest(host: "Popen[str]", within_s: float) -> str:
    """What this one prints until it ends, or what of it was not read: `communicate` loses what was read ahead."""
    assert host.stdout
    host.wait(timeout=within_s)
    with host:
        return host.stdout.read()


def _set_clocks(order: Order) -> None:
    """This host's time of day, of which the carrier and the database know nothing."""
    right, begun = time.time, time.monotonic()

    def wrong() -> float:
        jumped = order.jump_s if time.monotonic() - begun > order.jump_after_s else 0.0
        return right() + order.clock_s + jumped

    time.time = wrong


def _set_name(order: Order) -> None:
    """This host's name, as every record of the run has it."""
    if order.host:
        socket.gethostname = lambda: order.host


async def _carry_out(order: Order) -> None:
    _set_clocks(order)
    _set_name(order)
    progress.install(hooks := progress.ProgressHooks())
    settings = Settings(
        home=Path(order.home),
        account=order.account,
        ledger_url=order.ledger_url,  # type: ignore[arg-type]  # pydantic makes it a secret
        emnify_url=order.emnify_url,
        emnify_token=order.token,  # type: ignore[arg-type]
        calls=order.calls,
        calls_window_s=order.calls_window_s,
        calls_reserve=0.0,
        max_suspend_share=1.0,
        store=order.store or None,
    )
    how: dict[str, Any] = {"mode": Mode.APPLY, "batch_size": order.batch_size, "urgent": order.urgent}
    what: dict[str, Any] = {"file": order.file, "to": Wish(order.to)}
    request = BulkUpdate(
        **({"file": f"retry of {order.retry_of}", "retry_of": order.retry_of} if order.retry_of else what), **how
    )
    run = Run.begin(request, kind_of(request), settings, asked_on=AskedOn.TERMINAL)
    run.ledger.clock = lambda: datetime.fromtimestamp(time.time(), UTC)
    try:
        with flow_runs.held(run.ledger.database, lambda: run.continued):
            if order.flow_run:
                await takeover.begin(run, order.flow_run)
            await stoppable(_send(run), hooks)
    except takeover.EndedElsewhere as ended:
        print("planned", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps({"run": ended.run.record.run_id, "ended_elsewhere": str(ended.run.state)}))
    finally:
        run.close()


async def _send(run: Run) -> None:
    prepare.read_devices(run)
    async with run.carrier() as (carrier, journal):
        await prepare.list_inventory(run, carrier)
        prepare.plan_changes(run)
        await prepare.check_safety(run, carrier)
        print("planned", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        applying = Applying(run, carrier, journal)
        window = asyncio.Semaphore(BATCHES_UNDER_WAY)

        async def pair(work: BatchWork) -> None:
            for half in (work.first, work.second):
                await applying.apply(work, half)
            await applying.finish(work)
            window.release()

        async with applying.turn(), asyncio.TaskGroup() as pairs:
            for work in applying.batches():
                await window.acquire()
                pairs.create_task(pair(work))
        if applying.interrupted:
            await finish.reconcile_briefly(run, carrier)
        else:
            await finish.reconcile(run, carrier)
        ended = RunState.INTERRUPTED if applying.interrupted else RunState.FINISHED
        document = finish.finish(run, ended, stop=applying.stop)
    outcomes = Counter(run.ledger.outcomes(run.run_id)["outcome"])
    print(json.dumps({"run": run.run_id, "outcomes": outcomes, "exit_code": document["exit_code"]}))


if __name__ == "__main__":
    asyncio.run(_carry_out(Order(**json.loads(sys.argv[1]))))

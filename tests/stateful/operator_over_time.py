"""An operator's months: one home, one ledger, one carrier in memory, and runs that follow each other.

The steps of a run are those of the flow, in its order, without Prefect. A kill is the end of the process: what the disk
held at that moment is what is left.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from schemas.parameters import BulkUpdate, Mode
from simtandem import progress
from simtandem.carriers.emnify.client import Account, Emnify, Wire
from simtandem.cli import retry
from simtandem.errors import CarrierError, CarrierUnavailable, InputError, PlanRefused
from simtandem.ledger import fleet_history
from simtandem.ledger.integrity.prune import prunable, prune_run
from simtandem.ledger.integrity.recorded import Recorded, run_ids
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.reports.audit_document import AuditDocument
from simtandem.runs import audit_output, finish, fleet_audit, prepare
from simtandem.runs.apply import Applying
from simtandem.runs.fleet_audit import Audit
from simtandem.runs.run import AskedOn, Run, kind_of, looking_run
from simtandem.runs.run_folder import IntakeRecord, RunFolder
from simtandem.settings import Settings
from tests.stateful.modelled_carrier import Killed, Mishap, ModelledCarrier

NO_PROCESS = 2**22 + 1
"""No process has this number, so whoever asks finds a run's process gone."""

URL = "https://carrier.test"


@dataclass(slots=True)
class RecordedRun(Run):
    """A run whose process is gone once it has ended, as it is for every later command."""

    def record(self, intake: IntakeRecord) -> RunRecord:
        return replace(Run.record(self, intake), pid=NO_PROCESS)


@dataclass
class Pending:
    """A run that was planned and waits for a yes."""

    request: BulkUpdate
    run_id: str


@dataclass
class Trouble:
    """What goes wrong in a run, by the number of its call."""

    mishaps: dict[int, Mishap] = field(default_factory=dict)
    moves: dict[int, Callable[[], None]] = field(default_factory=dict)

    @property
    def none(self) -> bool:
        """Nothing does."""
        return not self.mishaps and not self.moves


class Operator:
    """Use `working` to have one."""

    def __init__(self, home: Path, template: Path) -> None:
        self.home = home
        self.now = datetime(2026, 1, 10, 12, tzinfo=UTC)
        self.carrier = ModelledCarrier(clock=lambda: self.now, killed=self._keep_what_the_disk_holds)
        self.ended: list[str] = []
        self.tokens = 1
        self._runs = 0
        self._settings: dict[int, Settings] = {}
        home.mkdir(parents=True)
        shutil.copy(template, home / "ledger.sqlite")

    @property
    def settings(self) -> Settings:
        """As the environment would give them."""
        if self.tokens not in self._settings:
            token = f"application-token-{self.tokens}"
            self._settings[self.tokens] = Settings(home=self.home, emnify_url=URL, emnify_token=SecretStr(token))
        return self._settings[self.tokens]

    def clock(self) -> datetime:
        """Every look at it takes a millisecond."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def ledger(self) -> Ledger:
        """Open it; close it again."""
        return Ledger.open(self.settings.ledger(), clock=self.clock)

    def file(self, rows: list[str]) -> str:
        """A device CSV."""
        self._runs += 1
        path = self.home.parent / f"list-{self._runs}.csv"
        path.write_text("\n".join(rows) + "\n")
        return str(path)

    def plan(self, trouble: Trouble, **asked: Any) -> Pending | None:
        """Begin a run, up to the question. None where it ended before that: killed, refused, carrier away."""
        self._runs += 1
        request = BulkUpdate(**{"mode": Mode.APPLY, "accept_large": True, "batch_size": 2, **asked})
        pending = Pending(request, f"{self.now:%Y%m%dT%H%M%S}-{self._runs:06x}")
        with self._process(pending, trouble) as run:
            return pending if asyncio.run(self._prepare(run)) else None
        return None

    def carry_out(self, pending: Pending, trouble: Trouble) -> Mapping[str, Any] | None:
        """What follows the yes. The document; None where the run was killed, or ended for good without one."""
        with self._process(pending, trouble) as run:
            document = asyncio.run(self._send(run))
            self.ended.append(run.run_id)
            return document
        return None

    def open_rows(self, run_id: str) -> str:
        """The file that `retry` would apply."""
        return str(retry.open_rows(run_id)[1])

    def audit(self) -> AuditDocument:
        """The document of an audit."""
        self._runs += 1
        run_id = f"{self.now:%Y%m%dT%H%M%S}-{self._runs:06x}"
        self.carrier.begins(run_id)
        ledger = self.ledger()
        try:
            before = fleet_history.last_audit(ledger, self.settings.account_key)
            record = looking_run(run_id, RunKind.AUDIT, self.settings, self.now, {})
            ledger.start_run(replace(record, pid=NO_PROCESS))
            folder = RunFolder(self.settings.runs_folder / run_id)
            one = Audit(run_id, self.settings, ledger, folder, self.now, before)
            return asyncio.run(self._audit(one))
        finally:
            ledger.close()

    def prune(self) -> None:
        """Archive what ended a month ago."""
        ledger = self.ledger()
        try:
            for each in prunable(ledger, self.now - timedelta(days=30)):
                prune_run(ledger, each.run.record.run_id, self.settings.archive_folder, "operator")
        finally:
            ledger.close()

    def broken_records(self) -> list[str]:
        """Runs whose chain does not fit their facts."""
        ledger = self.ledger()
        try:
            with ledger.database.snapshot() as connection:
                sources = {each: Recorded(connection, each) for each in run_ids(connection)}
                proofs = [verify_chain(run_id, each, list(each.witness())) for run_id, each in sources.items()]
            return [f"{proof.run_id}: {proof.found}" for proof in proofs if proof.found]
        finally:
            ledger.close()

    @contextmanager
    def _process(self, pending: Pending, trouble: Trouble) -> Iterator[Run]:
        """One process of a run. Raises what has to do with neither the carrier nor a list of contradictions."""
        progress.install(progress.ProgressHooks())
        carrier, request = self.carrier, pending.request
        carrier.begins(pending.run_id)
        carrier.mishaps, carrier.moves = dict(trouble.mishaps), dict(trouble.moves)
        folder = RunFolder(self.settings.runs_folder / pending.run_id)
        ledger = self.ledger()
        place = AskedOn.TERMINAL
        run = RecordedRun(pending.run_id, kind_of(request), request, self.settings, ledger, folder, self.now, place)
        killed = False
        try:
            with run.failing():
                yield run
        except Killed:
            killed = True
        except CarrierError:
            self.ended.append(run.run_id)
        except InputError as error:
            if "no row is usable" not in str(error):
                raise
        finally:
            carrier.mishaps, carrier.moves = {}, {}
            ledger.close()
            if killed:
                self._go_back_to_what_the_disk_held()
                self.ended.append(run.run_id)

    async def _prepare(self, run: Run) -> bool:
        prepare.read_devices(run)
        async with CallWriter(run.ledger, run.run_id) as journal, self._client(journal) as carrier:
            await prepare.list_inventory(run, carrier)
            prepare.plan_changes(run)
            try:
                await prepare.check_safety(run, carrier)
            except PlanRefused:
                return False
        return True

    async def _send(self, run: Run) -> Mapping[str, Any]:
        async with CallWriter(run.ledger, run.run_id) as journal, self._client(journal) as carrier:
            await prepare.check_safety(run, carrier)
            applying = Applying(run, carrier, journal)
            async with applying.turn():
                for work in applying.batches():
                    for half in (work.first, work.second):
                        for _ in range(2):  # as a task is tried again after an outage
                            try:
                                await applying.apply(work, half)
                                break
                            except CarrierUnavailable:
                                continue
                    await applying.finish(work)
            if applying.interrupted:
                await finish.reconcile_briefly(run, carrier)
            else:
                await finish.reconcile(run, carrier, sleep=self._sleep)
            return finish.finish(run, RunState.INTERRUPTED if applying.interrupted else RunState.FINISHED)

    async def _audit(self, one: Audit) -> AuditDocument:
        async with CallWriter(one.ledger, one.run_id) as journal, self._client(journal) as carrier:
            await fleet_audit.list_fleet(one, carrier)
            await fleet_audit.explain_changes(one, carrier)
        return audit_output.finish(one, fleet_audit.judge(one))

    def _client(self, journal: CallWriter) -> Emnify:
        settings = self.settings
        account = Account(URL, settings.token(), settings.capacity, settings.calls_window_s, 2, self.home)
        alone = self.home.with_name("notes")
        wire = Wire(self.carrier, clock=self._monotonic, sleep=self._sleep, notes=alone)
        return Emnify(account, journal, wire)

    def _monotonic(self) -> float:
        return self.now.timestamp()

    async def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=max(seconds, 0.001))  # less than its microsecond would be no time at all
        await asyncio.sleep(0)

    def _keep_what_the_disk_holds(self) -> None:
        """A copy of the home as a process that dies now leaves it."""
        kept = self.home.with_name("killed")
        shutil.copytree(self.home, kept, ignore=lambda _, names: [name for name in names if ".sqlite" in name])
        source, target = sqlite3.connect(self.home / "ledger.sqlite"), sqlite3.connect(kept / "ledger.sqlite")
        source.backup(target)
        source.close()
        target.close()

    def _go_back_to_what_the_disk_held(self) -> None:
        shutil.rmtree(self.home)
        self.home.with_name("killed").rename(self.home)


@contextmanager
def working(folder: Path, template: Path) -> Iterator[Operator]:
    """An operator with an empty home in this folder. `template`: an empty ledger, made up to date once for all."""
    operator = Operator(folder / "home", template)
    asked = {"SIMTANDEM_HOME": str(operator.home), "SIMTANDEM_EMNIFY_URL": URL, "SIMTANDEM_EMNIFY_TOKEN": "some-token"}
    before = {name: os.environ.get(name) for name in asked}
    os.environ.update(asked)
    try:
        yield operator
    finally:
        progress.install(progress.ProgressHooks())
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

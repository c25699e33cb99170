"""Carrying a plan out on an emulated carrier, in a home that is removed afterwards, with the time that it would take.

The run is an ordinary one, from its listing to its report. Only its home, its carrier and its time are not the real
ones: nothing of it is in the operator's ledger, rate limit or run folders but one file beside the plan.
"""

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from schemas.parameters import Mode
from schemas.statuses import Half, Outcome
from schemas.waves import WaveCheck
from simtandem import progress
from simtandem.carriers.in_process import InProcess
from simtandem.carriers.registry import open_carrier
from simtandem.carriers.sharing import Shared
from simtandem.host.file_lock import lock_file, taken
from simtandem.intake import Intake
from simtandem.ledger.journal import CallWriter
from simtandem.progress.meter import Sending
from simtandem.rehearsal.sending import send_all
from simtandem.rehearsal.stage import Listed, stage_of
from simtandem.reports.run_document import Document
from simtandem.runs import finish, prepare, undo
from simtandem.runs.apply import Applying
from simtandem.runs.run import AskedOn, Run, kind_of
from simtandem.settings import Settings

RESULTS = "rehearsal.csv"
"""In the folder of the plan: every row with the outcome that it had in the rehearsal."""

_HOMES, _LOCK = "rehearsals", ".lock"
_SAY_EVERY_S = 5.0
Say = Callable[[int, int, float], None]
"""Called now and then with: changes made, all changes, and the seconds that this took at the carrier."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How it went. `document` is the one that `apply` would print; `took_s` is how long it took here.

    `same_plan`: whether the emulated carrier led to the very plan that the real one did. `results` is the file with
    the outcome of every row.
    """

    document: Document
    took_s: float
    same_plan: bool
    results: Path


async def rehearse(planned: Run, *, faults: bool, say: Say) -> Rehearsed:
    """Carry out the plan of a run that has one. Await it in a loop of `clock.SimulatedTime`."""
    began = time.monotonic()
    with _temporary_home(planned.settings.home) as home:
        progress.install(_Watch(say))
        document, results = await _carry_out(planned, home, faults=faults)
        kept = planned.folder.save_bytes(RESULTS, results.read_bytes())
    same_plan = document["digest"] == planned.folder.plan_counts()["digest"]
    return Rehearsed(document, time.monotonic() - began, same_plan, kept)


async def _carry_out(planned: Run, home: Path, *, faults: bool) -> tuple[Document, Path]:
    folder = planned.folder
    owners = folder.table(prepare.OWNERS) if folder.has(prepare.OWNERS) else None
    stage = stage_of(planned.settings, Listed(folder.table("inventory.parquet"), owners), faults=faults)
    settings = _settings(planned.settings, {**stage.settings, "home": home})
    accepted = {"mode": Mode.APPLY, "accept_large": True, "change_owners": True, "plan_digest": "", "where": ""}
    accepted |= {"wave_check": WaveCheck.NONE, "wave_approval": False}  # no network, and nobody to ask
    request = planned.request.model_copy(update={**accepted, "retry_of": ""})  # its devices are in the plan's folder
    run = Run.begin(request, kind_of(request), settings, asked_on=AskedOn.TERMINAL)
    try:
        async with CallWriter(run.ledger, run.run_id) as journal:
            carrier = open_carrier(settings, journal, Shared(instead=InProcess(stage.application)))
            try:
                if folder.has(undo.CHANGES):
                    run.folder.save_table(undo.CHANGES, folder.table(undo.CHANGES))
                prepare.take_devices(run, _devices(planned))
                await prepare.list_inventory(run, carrier)
                prepare.plan_changes(run)
                applying = Applying(run, carrier, journal)
                await send_all(run, carrier, applying)
                await finish.reconcile(run, carrier)
                return finish.finish(run, stop=applying.stop), run.folder.file("results.csv")
            finally:
                await carrier.aclose()
    finally:
        run.close()


def _settings(real: Settings, changes: dict[str, object]) -> Settings:
    """The operator's settings, but for what leads to their carrier, their records and their people."""
    nowhere = dict.fromkeys(("ledger_url", "store", "inbox", "list_folders", "notify_webhook", "notify_email"))
    return Settings(**{**real.model_dump(), **nowhere, "four_eyes": False, **changes})


def _devices(planned: Run) -> Intake:
    """The devices that the plan was made from: its file may have changed since, or have been read from a pipe."""
    folder, intake = planned.folder, planned.folder.intake()
    tables = {name: folder.table(f"{name}.parquet") for name in ("devices", "rejected", "repeats")}
    return Intake(
        file=intake["file"],
        sha256=intake["sha256"],
        rows=intake["rows"],
        notes=tuple(intake["notes"]),
        contested=folder.contested(),
        **tables,
    )


@contextmanager
def _temporary_home(real: Path) -> Iterator[Path]:
    """A folder in the operator's home, removed at the end of the block. Those that a kill left are removed before."""
    homes = real / _HOMES
    homes.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in homes.glob(f"*{_LOCK}"):
        _remove(left, lock_file(left))
    place = homes / secrets.token_hex(6)
    lock = lock_file(place.with_suffix(_LOCK))
    taken(lock)
    try:
        place.mkdir(mode=0o700)
        yield place
    finally:
        lock.release()
        _remove(place.with_suffix(_LOCK), lock)
        with suppress(OSError):
            homes.rmdir()  # where no other rehearsal is under way


def _remove(file: Path, lock: FileLock) -> None:
    """Remove the home with this lock, unless a rehearsal that is under way has it."""
    if taken(lock):
        shutil.rmtree(file.with_suffix(""), ignore_errors=True)
        file.unlink(missing_ok=True)
        lock.release()


class _Watch(progress.ProgressHooks):
    """Counts the steps that ended, and reports now and then, by this machine's time."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._steps = self._ended = 0
        self._told_at = time.monotonic()

    def applies(self, sending: Sending) -> None:
        """So many steps there are."""
        super().applies(sending)
        self._steps = sending.steps

    def ended(self, half: Half, outcome: Outcome, count: int = 1) -> None:  # noqa: ARG002 - as there
        """Some more have ended."""
        self._ended += count
        if time.monotonic() - self._told_at >= _SAY_EVERY_S:
            self._told_at = time.monotonic()
            self._say(self._ended, self._steps, asyncio.get_running_loop().time())

"""A fleet on the emulator with every kind of split pair, runs that change it, and what an audit of it left behind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import EndpointStatus, SimStatus, Target
from schemas.tables import Explained, Findings
from simtandem.emulator.server import Group
from simtandem.ledger.records import RunKind
from simtandem.reports.audit_document import AuditDocument
from simtandem.runs import apply as applying
from simtandem.runs import finish, prepare
from simtandem.runs.run import AskedOn, Run
from simtandem.runs.run_folder import RunFolder
from simtandem.settings import Settings

ACTIVATED, SUSPENDED, TEST, ISSUED = (
    SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.FACTORY_TEST, SimStatus.ISSUED
)  # fmt: skip
ENABLED, DISABLED = EndpointStatus.ENABLED, EndpointStatus.DISABLED
FLEET = (
    Group(30, ACTIVATED, ENABLED),  # SIMs 10000001 to 10000030
    Group(20, ISSUED, DISABLED),  # to 10000050
    Group(4, ACTIVATED, DISABLED),  # to 10000054: paying but off
    Group(3, SUSPENDED, ENABLED),  # to 10000057: on but dead
    Group(2, ACTIVATED, None),  # 10000058 and 59: paying for nothing; endpoints are one number ahead from here on
    Group(2, None, DISABLED),  # endpoints 20000058 and 59: can never work
    Group(3, TEST, ENABLED),  # SIMs to 10000062, endpoints to 20000062
)
FIRST_ISSUED = 10_000_031


class Audited:
    """A finished audit, read back."""

    def __init__(self, document: AuditDocument, settings: Settings) -> None:
        self.document = document
        self.counts: dict[str, int] = {name: count for name, count in document["findings"].items() if count}
        self.files = {name: Path(path) for name, path in document["files"].items()}
        self.folder = RunFolder(settings.runs_folder / document["run_id"])
        self.told = self.folder.data("told.json")
        self.findings = Findings.validate(self.folder.table("findings.parquet"))
        self.explained = Explained.validate(self.folder.table("explained.parquet"))

    def causes(self) -> dict[tuple[str, str], str]:
        """The cause of each change, by half and id."""
        return {(half, ident): cause for half, ident, cause in self.explained.select("half", "ident", "cause").rows()}


async def at_once(_seconds: float) -> None:
    """No waiting for stragglers."""


async def apply(
    file: Path, settings: Settings, to: Target | None = None, between: Callable[[], None] = lambda: None
) -> Mapping[str, Any]:
    """Plan and apply a file; `between` happens after the first batch."""
    request = BulkUpdate(
        file=str(file),
        to=Wish.AS_IN_FILE if to is None else Wish(to.value),
        mode=Mode.APPLY,
        batch_size=5,
        accept_large=True,
    )
    run = Run.begin(request, RunKind.APPLY, settings, asked_on=AskedOn.TERMINAL)
    try:
        async with run.carrier() as (carrier, journal):
            prepare.read_devices(run)
            await prepare.list_inventory(run, carrier)
            prepare.plan_changes(run)
            await prepare.check_safety(run, carrier)
            sending = applying.Applying(run, carrier, journal)
            for number, work in enumerate(sending.batches()):
                if number == 1:
                    between()
                await sending.apply(work, work.first)
                await sending.apply(work, work.second)
                await sending.finish(work)
            await finish.reconcile(run, carrier, sleep=at_once)
        return finish.finish(run)
    finally:
        run.close()


def csv(path: Path, sims: range | list[int]) -> Path:
    path.write_text("\n".join(["sim_id", *map(str, sims)]) + "\n")
    return path

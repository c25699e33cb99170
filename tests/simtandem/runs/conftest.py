"""Runs without Prefect: a real file, a real ledger on SQLite, and a carrier in memory or the emulator."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import Target
from schemas.tables import Repeats, empty
from simtandem import progress
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.protocol import Carrier
from simtandem.domain.plan import make_plan
from simtandem.emulator.server import Emulator
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind
from simtandem.runs import audit_output, fleet_audit
from simtandem.runs.apply import Applying
from simtandem.runs.handover import PreparedRun
from simtandem.runs.prepare import check_safety, list_inventory, plan_changes, read_devices
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import Settings
from tests.simtandem.model_fleet import ModelFleet, wishes
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.audited_fleet import FLEET, Audited

MakeRun = Callable[..., Run]
Begun = Callable[[Run, ActingCarrier], AbstractAsyncContextManager[Applying]]
Auditor = Callable[..., Any]


@pytest.fixture(autouse=True)
def hooks() -> Iterator[progress.ProgressHooks]:
    """One of its own for each test, so that none stops another's run."""
    mine = progress.ProgressHooks()
    progress.install(mine)
    yield mine
    progress.install(progress.ProgressHooks())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def make_run(home: Path, tmp_path: Path) -> Iterator[MakeRun]:
    """Makes runs of a CSV with the SIM ids given, or with these lines."""
    made: list[Run] = []

    def make(
        sims: Sequence[str] | str,
        to: Target | None = Target.ACTIVATED,
        kind: RunKind = RunKind.APPLY,
        *,
        batch_size: int = 500,
        accept_large: bool = False,
        change_owners: bool = False,
        plan_digest: str | None = None,
        prepared: Run | None = None,
        settings: dict[str, object] | None = None,
    ) -> Run:
        file = tmp_path / "devices.csv"
        file.write_text(sims if isinstance(sims, str) else "\n".join(["sim_id", *sims]) + "\n")
        given = {"to": to, "plan_digest": plan_digest}
        request = BulkUpdate(
            file=str(file),
            mode=Mode.APPLY,
            batch_size=batch_size,
            accept_large=accept_large,
            change_owners=change_owners,
            **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
        )
        values: dict[str, object] = {"home": home, "sim_concurrency": 2, **(settings or {})}
        handed = PreparedRun.of(prepared) if prepared else None
        run = Run.begin(request, kind, Settings(**values), handed, asked_on=AskedOn.TERMINAL)  # type: ignore[arg-type]  # pydantic checks them
        made.append(run)
        return run

    yield make
    for run in made:
        run.close()


async def prepare(run: Run, carrier: ActingCarrier) -> None:
    """Everything up to the first change."""
    read_devices(run)
    await list_inventory(run, carrier)
    plan_changes(run)
    await check_safety(run, carrier)


def planned(run: Run, fleet: ModelFleet, targets: list[Target]) -> pl.DataFrame:
    """The plan for the fleet, kept where the sending looks for it; device 1 is asked for in row 2, and so on."""
    asked = wishes(*((at + 1, str(at), None, None, target) for at, target in enumerate(targets, 1)))
    plan = make_plan(asked, empty(Repeats), fleet.inventory(), EMNIFY)
    run.folder.save_table("plan.parquet", plan)
    run.folder.save("listing.json", {"begun": run.ledger.clock().isoformat(), "turn": 0})
    run.ledger.start_run(
        run.record({"file": "trial.csv", "sha256": "", "rows": plan.height, "invalid": 0, "notes": []})
    )
    return plan


@pytest.fixture
def begun() -> Begun:
    """The sending of a run that asks for every SIM of the carrier's fleet, with its journal open."""

    @asynccontextmanager
    async def begin(run: Run, carrier: ActingCarrier) -> AsyncIterator[Applying]:
        planned(run, carrier.fleet, [Target(run.request.to)] * len(carrier.fleet.devices))
        async with CallWriter(run.ledger, run.run_id) as journal:
            carrier.journal = journal
            yield Applying(run, carrier, journal)

    return begin


@pytest.fixture
def carrier() -> Iterator[Emulator]:
    """The emulator with the fleet to audit."""
    with Emulator(FLEET, path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def settings(carrier: Emulator, home: Path) -> Settings:
    """Settings for auditing that fleet."""
    return Settings(
        home=home,
        emnify_url=carrier.url,
        emnify_token=carrier.token,  # type: ignore[arg-type]  # pydantic hides it
        calls=100_000,
        monthly_rate="0.45",  # type: ignore[arg-type]  # as from the environment
        currency="EUR",
    )


@pytest.fixture
def audit(settings: Settings) -> Auditor:
    """Audits that fleet, and reads back what it found."""

    async def run(
        *, event_lag: timedelta | None = None, wrap: Callable[[Carrier], Any] = lambda each: each, **changed: object
    ) -> Audited:
        own = settings.model_copy(update=changed)
        with fleet_audit.auditing_of(own) as one:
            if event_lag is not None:
                one.event_lag = event_lag
            async with one.carrier() as carrier:
                await fleet_audit.list_fleet(one, wrap(carrier))
                await fleet_audit.explain_changes(one, wrap(carrier))
            return Audited(audit_output.finish(one, fleet_audit.judge(one)), own)

    return run

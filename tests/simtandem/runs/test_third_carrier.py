"""A made-up carrier, added here without touching the core: a table of rules, and an adapter in memory.

Its SIMs have one half. Parking one costs a fee, a parked SIM still carries traffic, and an unborn one can't be parked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import Outcome
from schemas.tables import Inventory, Plan, empty
from simtandem.carriers import protocol
from simtandem.carriers.protocol import Carrier, Change, Journal, Listing, StepResult, always_fresh, never_stops
from simtandem.carriers.registry import ADAPTERS, Adapter
from simtandem.carriers.sharing import Shared
from simtandem.domain.abilities import Ability
from simtandem.domain.device_ids import IdKind
from simtandem.domain.lifecycle import Goal, Lifecycle, Status
from simtandem.ledger.records import RunKind
from simtandem.reports.run_document import Document
from simtandem.runs import audit_pipeline, finish, prepare
from simtandem.runs.apply import Applying
from simtandem.runs.fleet_audit import auditing_of
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import Settings
from tests.simtandem.runs.sending import send_all

PIGEON = Lifecycle(
    carrier="pigeon",
    sims=(
        Status(name="unborn"),
        Status(name="aloft", charged=True, on=True, aliases=("flying",)),
        Status(name="parked", on=True, fee_in="parking costs 2 EUR", becomes="aloft", leaves="it flies off"),
        Status(name="lost", final=True),
    ),
    sim_moves=frozenset({("unborn", "aloft"), ("aloft", "parked"), ("parked", "aloft")}),
    goals=(
        Goal(word="flying", sim="aloft", words=("activated", "fly"), verb="release"),
        Goal(word="parked", sim="parked", words=("suspended", "park"), verb="park"),
    ),
    ids=(IdKind(name="sim_id", pattern="[0-9]+"),),
    abilities=frozenset({Ability.LIST_FLEET}),
)


@dataclass
class Pigeon:
    """The adapter: it reads and changes SIMs by their id, and nothing else."""

    sims: dict[str, str]
    name: str = "pigeon"
    lifecycle: Lifecycle = PIGEON
    journal: Journal | None = None
    sent: list[tuple[str, str]] = field(default_factory=list)

    def opened(self, _settings: Settings, journal: Journal, _shared: Shared) -> Carrier:
        self.journal = journal
        return self

    def inventory(self) -> pl.DataFrame:
        rows = [(sim, None, status, None, None) for sim, status in self.sims.items()]
        return pl.DataFrame(rows, schema=empty(Inventory).schema, orient="row")

    async def find(self, devices: pl.DataFrame) -> Listing:
        return Listing(self.inventory(), whole=False, sims=None, activated=None)

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        return self.inventory().filter(pl.col("sim_id").is_in(pairs["sim_id"].implode()))

    async def change_sim(self, change: Change, *, fresh: protocol.Fresh = always_fresh) -> StepResult:
        assert self.journal is not None
        call_id = await self.journal.intent(protocol.Call("PUT", f"/birds/{change.ident}", "change"))
        assert (self.sims[change.ident], change.after) in self.lifecycle.sim_moves
        self.sims[change.ident] = change.after
        self.sent.append((change.ident, change.after))
        await self.journal.answer(call_id, protocol.Answer(200, 0.0))
        return StepResult(change.row, Outcome.APPLIED, 1, 200)

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: protocol.Stops = never_stops, fresh: protocol.Fresh = always_fresh
    ) -> list[StepResult]:
        raise NotImplementedError("there are no endpoints")

    async def put_back_endpoints(
        self, changes: Sequence[Change], *, fresh: protocol.Fresh = always_fresh
    ) -> list[StepResult]:
        raise NotImplementedError("there are no endpoints")

    async def read_owners(self, sims: Sequence[str], *, by_id: bool = False) -> pl.DataFrame:
        raise NotImplementedError("it knows of no owners")

    async def list_fleet(self) -> Listing:
        return Listing(self.inventory(), whole=True, sims=len(self.sims), activated=None)

    async def count_fleet(self) -> tuple[int, int]:
        raise NotImplementedError("it can't be counted")

    async def events(
        self, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
    ) -> pl.DataFrame:
        raise NotImplementedError("it tells of no events")

    def waiting_s(self) -> float:
        return 0.0

    def halt(self) -> None:
        """Nothing waits here."""

    halt_changes = allow_changes = hold = resume = halt

    async def aclose(self) -> None:
        """Nothing is open."""


PARKING = "1 SIM to parked: parking costs 2 EUR; the SIM can still pass traffic; it flies off."
FLOCK = {"1": "unborn", "2": "parked", "3": "aloft", "4": "aloft", "5": "lost", "6": "unborn"}
ASKED = ("fly", "Activated", "park", "flying", "park", "suspended")
LIST = "\n".join(["sim_id,status", *(f"{sim},{word}" for sim, word in zip(FLOCK, ASKED, strict=True))])


@pytest.fixture
def pigeon(monkeypatch: pytest.MonkeyPatch) -> Pigeon:
    carrier = Pigeon(dict(FLOCK))
    monkeypatch.setitem(ADAPTERS, "pigeon", Adapter(lifecycle=PIGEON, opened=carrier.opened))
    return carrier


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, max_newly_billed=9, confirm_newly_billed=9).model_copy(update={"carrier": "pigeon"})


async def carried_out(settings: Settings, file: str, undo_of: str = "") -> tuple[Run, Document]:
    """Prepare, apply and reconcile."""
    request = BulkUpdate(file=file, mode=Mode.APPLY, undo_of=undo_of, accept_large=True)
    run = Run.begin(request, RunKind.UNDO if undo_of else RunKind.APPLY, settings, asked_on=AskedOn.TERMINAL)
    async with run.carrier() as (carrier, journal):
        prepare.read_devices(run)
        await prepare.list_inventory(run, carrier)
        prepare.plan_changes(run)
        await prepare.check_safety(run, carrier)
        await send_all(Applying(run, carrier, journal))
        await finish.reconcile(run, carrier)
    document = finish.finish(run)
    run.close()
    return run, document


async def test_a_third_carrier_is_planned_changed_judged_undone_and_audited(
    pigeon: Pigeon, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "flock.csv"
    file.write_text(LIST)
    run, document = await carried_out(settings, str(file))
    plan = Plan.validate(run.folder.table("plan.parquet"))
    counted = document["plan"]
    assert (counted["sim_changes"], counted["endpoint_changes"], counted["unchanged"], counted["refused"]) == (
        3,
        0,
        1,
        2,
    )
    assert (counted["newly_billed"], document["billing"]["for_good"]) == (2, 1)
    assert counted["consequences"] == [
        "1 SIM to parked: parking costs 2 EUR; the SIM can still pass traffic; it flies off."
    ]
    assert counted["fees"] == 1
    assert counted["targets"] == {"flying": 3, "parked": 3}
    assert plan["reason"].to_list()[4:] == [
        "SIM 5: the SIM is lost, which is final; take the row out",
        "SIM 6: no step leads a SIM from unborn to parked; from there it can go to flying",
    ]
    assert pigeon.sent == [("3", "parked"), ("1", "aloft"), ("2", "aloft")], "what saves money goes first"
    assert (document["carrier"], document["verdicts"]["in_sync"], document["verdicts"]["refused"]) == ("pigeon", 4, 2)

    pigeon.sent.clear()
    back, undone = await carried_out(settings, f"undo of {run.run_id}", run.run_id)
    assert pigeon.sent == [("2", "parked"), ("3", "aloft")]
    left = back.folder.table("plan.parquet").filter(pl.col("sim_id") == "1")
    assert "nothing goes back there" in left["reason"][0]
    assert undone["verdicts"]["in_sync"] == 2

    pigeon.sims["3"] = "parked"
    with auditing_of(settings) as audit:
        audited = await audit_pipeline.audit_fleet(audit)
    assert (audited["findings"]["drifted"], audited["findings"]["on_but_dead"]) == (1, 0)

"""A made-up carrier, added here without touching the core: a table of rules, and an adapter in memory.

Its SIMs have one half. Parking one costs a fee, a parked SIM still carries traffic, and an unborn one can't be parked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import pytest

from schemas.statuses import Half, Outcome, Verdict
from schemas.tables import Devices, Inventory, Managed, Plan, Rejected, Repeats, Results, empty
from simtandem.carriers.protocol import (
    Answer,
    Call,
    Carrier,
    Change,
    Fresh,
    Journal,
    Listing,
    StepResult,
    Stops,
    always_fresh,
    never_stops,
)
from simtandem.domain import safety
from simtandem.domain.device_ids import IdKind
from simtandem.domain.findings import findings_of
from simtandem.domain.inverse import as_devices, changed_devices, invert
from simtandem.domain.lifecycle import Goal, Lifecycle, Status
from simtandem.domain.plan import calls_needed, counts, make_plan
from simtandem.domain.verdicts import results_of
from simtandem.errors import PlanRefused
from simtandem.ledger.journal import CallWriter
from simtandem.reports.run_counts import figures
from simtandem.reports.urgency import examine
from simtandem.runs.apply import Applying
from tests.simtandem.runs.conftest import MakeRun
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
)


@dataclass
class Pigeon:
    """The adapter: it reads and changes SIMs by their id, and nothing else."""

    sims: dict[str, str]
    name: str = "pigeon"
    lifecycle: Lifecycle = PIGEON
    journal: Journal | None = None
    sent: list[tuple[str, str]] = field(default_factory=list)

    def inventory(self) -> pl.DataFrame:
        rows = [(sim, None, status, None, None) for sim, status in self.sims.items()]
        return pl.DataFrame(rows, schema=empty(Inventory).schema, orient="row")

    async def find(self, devices: pl.DataFrame) -> Listing:
        return Listing(self.inventory(), whole=False, sims=None, activated=None)

    async def read(self, pairs: pl.DataFrame) -> pl.DataFrame:
        return self.inventory().filter(pl.col("sim_id").is_in(pairs["sim_id"].implode()))

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        assert self.journal is not None
        call_id = await self.journal.intent(Call("PUT", f"/birds/{change.ident}", "change"))
        assert (self.sims[change.ident], change.after) in self.lifecycle.sim_moves
        self.sims[change.ident] = change.after
        self.sent.append((change.ident, change.after))
        await self.journal.answer(call_id, Answer(200, 0.0))
        return StepResult(change.row, Outcome.APPLIED, 1, 200)

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        raise NotImplementedError("there are no endpoints")

    async def put_back_endpoints(self, changes: Sequence[Change]) -> list[StepResult]:
        raise NotImplementedError("there are no endpoints")

    async def read_owners(self, sims: Sequence[str]) -> pl.DataFrame:
        raise NotImplementedError("it knows of no owners")

    async def list_fleet(self) -> Listing:
        raise NotImplementedError("it can't be listed")

    async def count_fleet(self) -> tuple[int, int]:
        raise NotImplementedError("it can't be counted")

    async def events(
        self, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
    ) -> pl.DataFrame:
        raise NotImplementedError("it tells of no events")

    def waiting_s(self) -> float:
        return 0.0

    def halt_changes(self) -> None:
        """Nothing waits here."""

    def halt(self) -> None:
        """Nothing waits here."""

    def resume(self) -> None:
        """Nothing waits here."""

    async def aclose(self) -> None:
        """Nothing is open."""


FLOCK = {"1": "unborn", "2": "parked", "3": "aloft", "4": "aloft", "5": "lost", "6": "unborn"}
ASKED = ("fly", "activated", "park", "flying", "park", "suspended")


def asked(carrier: Pigeon, words: Sequence[str]) -> pl.DataFrame:
    wishes = carrier.lifecycle.wishes
    rows = [
        (row, sim, None, None, wishes[word], None) for row, (sim, word) in enumerate(zip(FLOCK, words, strict=True), 2)
    ]
    return pl.DataFrame(rows, schema=empty(Devices).schema, orient="row")


def planned(carrier: Pigeon, devices: pl.DataFrame) -> pl.DataFrame:
    return Plan.validate(make_plan(devices, empty(Repeats), carrier.inventory(), carrier.lifecycle))


async def test_a_third_carrier_is_planned_changed_judged_audited_and_undone(make_run: MakeRun) -> None:
    pigeon = Pigeon(dict(FLOCK))
    carrier: Carrier = pigeon
    plan = planned(pigeon, asked(pigeon, ASKED))
    counted = counts(plan, PIGEON)
    assert (counted.sim_changes, counted.endpoint_changes, counted.unchanged, counted.refused) == (3, 0, 1, 2)
    assert (counted.newly_billed, counted.billed_for_good) == (2, 1)
    assert calls_needed(plan, 500, PIGEON) == 3
    assert plan["reason"].to_list()[4:] == [
        "SIM 5: the SIM is lost, which is final; take the row out",
        "SIM 6: no step leads a SIM from unborn to parked; from there it can go to flying",
    ]

    run = make_run(list(FLOCK), None)
    run.folder.save_table("plan.parquet", plan)
    run.folder.save("listing.json", {"begun": run.ledger.clock().isoformat()})
    run.ledger.start_run(
        run.record({"file": "flock.csv", "sha256": "", "rows": plan.height, "invalid": 0, "notes": []})
    )
    async with CallWriter(run.ledger, run.run_id) as journal:
        pigeon.journal = journal
        await send_all(Applying(run, carrier, journal))
    assert pigeon.sent == [("3", "parked"), ("1", "aloft"), ("2", "aloft")], "what saves money goes first"

    outcomes = run.ledger.outcomes(run.run_id)
    judged = Results.validate(results_of(plan, empty(Rejected), outcomes, pigeon.inventory(), PIGEON))
    assert judged["verdict"].to_list() == [*[Verdict.IN_SYNC] * 4, *[Verdict.REFUSED] * 2]
    assert judged["after"].to_list()[:3] == ["aloft", "aloft", "parked"]
    told = figures(judged, PIGEON)
    assert (told.newly_billed, told.no_longer_billed, told.endpoints) == (2, 1, 0)
    assert set(examine(judged, PIGEON)["split"]) == {""}
    assert findings_of(pigeon.inventory(), empty(Managed), PIGEON)["sim_id"].to_list() == ["3"], "it flies off"

    changes = changed_devices(plan, outcomes, PIGEON)
    back = invert(planned(pigeon, as_devices(changes)), changes, PIGEON)
    ends = {row["sim_id"]: (row["action"], row["sim_after"]) for row in back.iter_rows(named=True)}
    assert ends == {"1": ("refused", None), "2": ("change", "parked"), "3": ("change", "aloft")}
    assert "nothing goes back there" in back.filter(pl.col("sim_id") == "1")["reason"][0]
    assert set(back["first"].drop_nulls()) == {Half.SIM}


def test_its_limits_are_numbers_and_its_sentences_use_its_words() -> None:
    plan = planned(Pigeon(dict.fromkeys(FLOCK, "aloft")), asked(Pigeon(FLOCK), ["park"] * 6))
    limits = safety.Limits(suspend_fleet_min=6)
    with pytest.raises(PlanRefused, match="pigeon: 6 SIMs would be suspended, and it is not known what share"):
        safety.check(
            plan,
            lifecycle=PIGEON,
            fleet_sims=None,
            fleet_activated=None,
            limits=limits,
            accept_large=False,
            change_owners=False,
            expected_digest=None,
            digest="",
        )
    assert safety.for_good(2, PIGEON) == "2 SIMs would be newly billed permanently: nothing goes back to unborn."
    assert PIGEON.fees("aloft", "parked") == "parking costs 2 EUR"

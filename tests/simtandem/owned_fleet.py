"""A `ModelFleet` whose SIMs belong to somebody, and wishes for other owners."""

from dataclasses import dataclass, field

import polars as pl
from hypothesis import strategies as st

from schemas.organisations import CLEARABLE, NOBODY, OwnerField
from schemas.statuses import EMNIFY_TARGETS, Action, Target
from schemas.tables import Devices, Outcomes, Owners, empty
from simtandem.domain import ownership
from tests.simtandem.model_fleet import ModelFleet, fleets

Held = dict[OwnerField, str | None]
HELD: Held = {OwnerField.CUSTOMER: "42", OwnerField.RESELLER: None, OwnerField.ISSUER: "1"}
"""Whose a SIM is where a test does not say: the customer's 42, nobody's to sell on, issued by 1."""

_MOVES = (pl.col("sim_after") != pl.col("sim_before")).fill_null(value=False)


@dataclass
class OwnedFleet:
    """SIMs, and whose each is. `needless` are owners that a step set to what they were."""

    fleet: ModelFleet
    held: dict[str, Held]
    needless: list[str] = field(default_factory=list)

    def inventory(self) -> pl.DataFrame:
        return self.fleet.inventory()

    def owners(self) -> pl.DataFrame:
        """As `Carrier.read_owners` tells it of every SIM."""
        lines = [(sim, *(held[name] for name in OwnerField)) for sim, held in self.held.items()]
        return Owners.validate(pl.DataFrame(lines, schema=empty(Owners).schema, orient="row"))

    def apply(self, plan: pl.DataFrame) -> None:
        """Carry out every step: statuses where they differ, and the owners that a SIM's step changes."""
        self.fleet.apply(plan.with_columns(sim_step=pl.col("sim_step") & _MOVES))
        for row in plan.filter((pl.col("action") == Action.CHANGE) & pl.col("sim_step")).iter_rows(named=True):
            before, after = (ownership.parse(row[f"owners_{when}"]) for when in ("before", "after"))
            for name in (name for name in after if after[name] != before[name]):
                value = None if after[name] == NOBODY else after[name]
                if self.held[row["sim_id"]][name] == value:
                    self.needless.append(f"{row['sim_id']}: {name}")
                self.held[row["sim_id"]][name] = value


def owned(fleet: ModelFleet, **held: Held) -> OwnedFleet:
    """The fleet with all its SIMs owned as in `HELD`; `sim_1` and so on say what is otherwise."""
    sims = [one.sim_id for one in fleet.devices if one.sim_id]
    return OwnedFleet(fleet, {sim: {**HELD, **held.get(f"sim_{sim}", {})} for sim in sims})


def asks(*rows: tuple[int, str | None, Target | None, str | None]) -> pl.DataFrame:
    """Input rows as (row, sim_id, desired, owners)."""
    columns = ["row", "sim_id", "desired", "owners"]
    table = pl.DataFrame(rows, schema={name: empty(Devices).schema[name] for name in columns}, orient="row")
    ids = {name: pl.lit(None, pl.String) for name in ("endpoint_id", "iccid")}
    return Devices.validate(table.with_columns(**ids).select(empty(Devices).columns))


def ended(*lines: tuple[int, str, str]) -> pl.DataFrame:
    """Outcomes as (row, half, outcome)."""
    rows = [(row, half, outcome, 1, 204, "") for row, half, outcome in lines]
    return Outcomes.validate(pl.DataFrame(rows, schema=empty(Outcomes).schema, orient="row"))


_IDS = st.sampled_from(["1", "42", "43", "4200"])


def _held() -> st.SearchStrategy[Held]:
    return st.fixed_dictionaries(
        {name: st.none() | _IDS if name in CLEARABLE else _IDS for name in OwnerField}  # a SIM always has an issuer
    )


@st.composite
def wanted_owners(draw: st.DrawFn) -> str | None:
    """What a row asks of owners: some of the three fields, or none."""
    asked = draw(st.sets(st.sampled_from(OwnerField)))
    values = {name: draw(st.just(NOBODY) | _IDS if name in CLEARABLE else _IDS) for name in OwnerField}
    return ", ".join(f"{name}={values[name]}" for name in OwnerField if name in asked) or None


@st.composite
def owner_jobs(draw: st.DrawFn) -> tuple[OwnedFleet, pl.DataFrame]:
    """Fleets in any state, whoever they belong to, and wishes for statuses, owners or both, some of them twice."""
    fleet = draw(fleets())
    sims = [one.sim_id for one in fleet.devices if one.sim_id]
    held = {sim: draw(_held()) for sim in sims}
    rows: list[tuple[int, str | None, Target | None, str | None]] = []
    for sim in draw(st.lists(st.sampled_from([*sims, "99"]), max_size=8)):
        owners = draw(wanted_owners())
        target = draw(st.sampled_from(EMNIFY_TARGETS) | st.none() if owners else st.sampled_from(EMNIFY_TARGETS))
        rows.append((len(rows) + 2, sim, target, owners))
    return OwnedFleet(fleet, held), asks(*rows)

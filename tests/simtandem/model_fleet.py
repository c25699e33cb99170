"""A carrier's fleet in memory, as strict as the carrier: what it must never be sent, it raises an error for."""

from dataclasses import dataclass, field

import polars as pl
from hypothesis import strategies as st

from schemas.statuses import EMNIFY_TARGETS, Action, EndpointStatus, Half, SimStatus, Target
from schemas.tables import Devices, Inventory, Repeats, empty

ISSUED, ACTIVE, SUSPENDED, TESTING = (
    SimStatus.ISSUED,
    SimStatus.ACTIVATED,
    SimStatus.SUSPENDED,
    SimStatus.FACTORY_TEST,
)
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
LEGAL_SIM_MOVES = {
    (SimStatus.ISSUED, SimStatus.ACTIVATED),
    (SimStatus.ISSUED, SimStatus.FACTORY_TEST),
    (SimStatus.FACTORY_TEST, SimStatus.ACTIVATED),
    (SimStatus.ACTIVATED, SimStatus.SUSPENDED),
    (SimStatus.SUSPENDED, SimStatus.ACTIVATED),
}
LEGAL_ENDPOINT_MOVES = {
    (EndpointStatus.ENABLED, EndpointStatus.DISABLED),
    (EndpointStatus.DISABLED, EndpointStatus.ENABLED),
}


@dataclass
class ModelDevice:
    sim_id: str | None
    iccid: str | None
    sim: SimStatus | None
    endpoint_id: str | None
    endpoint: EndpointStatus | None

    @property
    def paying_but_off(self) -> bool:
        return self.sim is SimStatus.ACTIVATED and self.endpoint is not EndpointStatus.ENABLED


@dataclass
class ModelFleet:
    devices: list[ModelDevice]
    illegal: list[str] = field(default_factory=list)  # steps a real carrier would refuse
    paying_but_off: list[str] = field(default_factory=list)  # moments a step created that were not there before

    def inventory(self) -> pl.DataFrame:
        if not self.devices:
            return empty(Inventory)
        return pl.DataFrame(
            [(one.sim_id, one.iccid, one.sim, one.endpoint_id, one.endpoint) for one in self.devices],
            schema=dict.fromkeys(["sim_id", "iccid", "sim_status", "endpoint_id", "endpoint_status"], pl.String),
            orient="row",
        )

    def change_sim(self, sim_id: str, status: SimStatus) -> None:
        device = next(one for one in self.devices if one.sim_id == sim_id)
        if (device.sim, status) not in LEGAL_SIM_MOVES:
            self.illegal.append(f"SIM {sim_id}: {device.sim} to {status}")
        off_before, was = device.paying_but_off, device.sim
        device.sim = status
        # Out of Factory Test the SIM must go first, so this one moment can't be avoided.
        if device.paying_but_off and not off_before and was is not SimStatus.FACTORY_TEST:
            self.paying_but_off.append(f"SIM {sim_id}")

    def change_endpoint(self, endpoint_id: str, status: EndpointStatus) -> None:
        device = next(one for one in self.devices if one.endpoint_id == endpoint_id)
        if (device.endpoint, status) not in LEGAL_ENDPOINT_MOVES:
            self.illegal.append(f"endpoint {endpoint_id}: {device.endpoint} to {status}")
        off_before = device.paying_but_off
        device.endpoint = status
        if device.sim is SimStatus.FACTORY_TEST:
            device.sim = SimStatus.ACTIVATED  # the carrier does this by itself
        if device.paying_but_off and not off_before:
            self.paying_but_off.append(f"endpoint {endpoint_id}")

    def apply(self, plan: pl.DataFrame) -> None:
        """Carry out every step of the plan, each row's two halves in the row's order."""
        for row in plan.filter(pl.col("action") == Action.CHANGE).iter_rows(named=True):
            halves = [Half.SIM, Half.ENDPOINT] if row["first"] == Half.SIM else [Half.ENDPOINT, Half.SIM]
            for half in halves:
                if half is Half.SIM and row["sim_step"]:
                    self.change_sim(row["sim_id"], SimStatus(row["sim_after"]))
                if half is Half.ENDPOINT and row["endpoint_step"]:
                    self.change_endpoint(row["endpoint_id"], EndpointStatus(row["endpoint_after"]))


def device(
    number: int, sim: SimStatus | None = SimStatus.ISSUED, endpoint: EndpointStatus | None = EndpointStatus.DISABLED
) -> ModelDevice:
    """Device 1 is SIM 1 with ICCID 8988000000000000001 and endpoint 101; a status None means that half is missing."""
    return ModelDevice(
        sim_id=None if sim is None else str(number),
        iccid=None if sim is None else iccid(number),
        sim=sim,
        endpoint_id=None if endpoint is None else str(100 + number),
        endpoint=endpoint,
    )


def iccid(number: int) -> str:
    return str(8_988_000_000_000_000_000 + number)


def wishes(*rows: tuple[int, str | None, str | None, str | None, Target]) -> pl.DataFrame:
    """Input rows as (row, sim_id, endpoint_id, iccid, desired)."""
    if not rows:
        return empty(Devices)
    schema = {"row": pl.Int64, **dict.fromkeys(["sim_id", "endpoint_id", "iccid", "desired"], pl.String)}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(owners=pl.lit(None, pl.String))


def repeats(*rows: tuple[int, int]) -> pl.DataFrame:
    """Repeated input rows as (row, same_as)."""
    return pl.DataFrame(rows, schema={"row": pl.Int64, "same_as": pl.Int64}, orient="row") if rows else empty(Repeats)


_HALVES = st.tuples(st.none() | st.sampled_from(SimStatus), st.none() | st.sampled_from(EndpointStatus))


@st.composite
def fleets(draw: st.DrawFn) -> ModelFleet:
    """Fleets of up to ten devices in any state, halves missing here and there."""
    states = draw(st.lists(_HALVES.filter(lambda halves: halves != (None, None)), max_size=10))
    return ModelFleet([device(number, *halves) for number, halves in enumerate(states, start=1)])


@dataclass
class Job:
    """A fleet and what is asked of it."""

    fleet: ModelFleet
    devices: pl.DataFrame
    repeats: pl.DataFrame


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Fleets with wishes for some of their devices: by any of the ids, twice, against each other, or for strangers."""
    fleet = draw(fleets())
    known = st.sampled_from(fleet.devices) if fleet.devices else st.nothing()
    rows: list[tuple[int, str | None, str | None, str | None, Target]] = []
    for one in draw(st.lists(known | st.just(device(99)), max_size=8)):
        ids = [one.sim_id, one.endpoint_id, one.iccid]
        given = draw(st.sets(st.sampled_from([at for at, ident in enumerate(ids) if ident]), min_size=1))
        sim_id, endpoint_id, number = (ident if at in given else None for at, ident in enumerate(ids))
        rows.append((len(rows) + 2, sim_id, endpoint_id, number, draw(st.sampled_from(EMNIFY_TARGETS))))
    kept = draw(st.lists(st.sampled_from([row[0] for row in rows]), max_size=3)) if rows else []
    again = [(len(rows) + 2 + at, same_as) for at, same_as in enumerate(kept)]
    return Job(fleet, wishes(*rows), repeats(*again))

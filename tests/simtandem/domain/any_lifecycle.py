"""Fleets in memory for any lifecycle, as strict as its carrier; and lifecycles that no carrier has."""

from dataclasses import dataclass, field

import polars as pl
from hypothesis import strategies as st

from schemas.statuses import Action, Half
from schemas.tables import Devices, Inventory, empty
from simtandem.domain.lifecycle import Goal, Lifecycle, Status


@dataclass
class Device:
    number: int
    sim: str | None
    endpoint: str | None


@dataclass
class Fleet:
    lifecycle: Lifecycle
    devices: list[Device]
    illegal: list[str] = field(default_factory=list)

    def inventory(self) -> pl.DataFrame:
        rows = [
            (
                str(one.number) if one.sim else None,
                str(8_988_000_000_000_000_000 + one.number) if one.sim else None,
                one.sim,
                str(1000 + one.number) if one.endpoint else None,
                one.endpoint,
            )
            for one in self.devices
        ]
        return pl.DataFrame(rows, schema=empty(Inventory).schema, orient="row")

    def charged(self) -> set[str]:
        """The SIMs that cost their fee now."""
        return {str(one.number) for one in self.devices if one.sim in self.lifecycle.charged}

    def apply(self, plan: pl.DataFrame) -> None:
        """Carry out every step, each row's halves in its order; what the carrier would not do is `illegal`."""
        by_sim = {str(one.number): one for one in self.devices}
        for row in plan.filter(pl.col("action") == Action.CHANGE).iter_rows(named=True):
            device = by_sim[row["sim_id"]]
            order = (Half.SIM, Half.ENDPOINT) if row["first"] == Half.SIM else (Half.ENDPOINT, Half.SIM)
            for half in order:
                if row[f"{half}_step"]:
                    self._step(device, half, row[f"{half}_after"])

    def _step(self, device: Device, half: Half, after: str) -> None:
        before, moves = (
            (device.sim, self.lifecycle.sim_moves)
            if half is Half.SIM
            else (device.endpoint, self.lifecycle.endpoint_moves)
        )
        if (before, after) not in moves:
            self.illegal.append(f"{half} {device.number}: {before} to {after}")
        if half is Half.SIM:
            device.sim = after
            return
        device.endpoint = after
        if device.sim and (moved := self.lifecycle.sim(device.sim).touched):
            device.sim = moved  # the carrier does this by itself

    def wishes(self, words: list[str | None]) -> pl.DataFrame:
        """One input row for each device that has a wish, by the id it has."""
        rows = [
            (
                at + 2,
                str(one.number) if one.sim else None,
                None if one.sim else str(1000 + one.number),
                None,
                word,
                None,
            )
            for at, (one, word) in enumerate(zip(self.devices, words, strict=True))
            if word is not None
        ]
        return pl.DataFrame(rows, schema=empty(Devices).schema, orient="row")


@st.composite
def fleets(draw: st.DrawFn, lifecycle: Lifecycle) -> tuple[Fleet, list[str | None]]:
    """A fleet of this carrier in any state, and what is asked of each device."""
    sims: list[str | None] = [one.name for one in lifecycle.sims]
    endpoints: list[str | None] = [None, *(one.name for one in lifecycle.endpoints)]
    if lifecycle.has_endpoints:
        sims.append(None)
    pairs = st.tuples(st.sampled_from(sims), st.sampled_from(endpoints)).filter(lambda pair: pair != (None, None))
    states = draw(st.lists(pairs, min_size=1, max_size=8))
    words = st.sampled_from([None, *(goal.word for goal in lifecycle.goals)])
    wishes = [draw(words) for _ in states]
    return Fleet(lifecycle, [Device(number, *state) for number, state in enumerate(states, 1)]), wishes


@st.composite
def lifecycles(draw: st.DrawFn) -> Lifecycle:
    """A made-up carrier's rules: any statuses, moves, fees and traps that do not contradict themselves."""
    names = [f"S{number}" for number in range(draw(st.integers(2, 5)))]
    flags = st.booleans()
    final = {name for name in names[2:] if draw(flags)}
    charged = {name for name in names if draw(flags)}
    moves = {
        (before, after)
        for before in names
        for after in names
        if before != after and before not in final and draw(flags)
    }
    paired = draw(flags)
    touched = {before: after for before, after in sorted(moves) if paired and draw(st.integers(0, 4)) == 0}
    sims = tuple(
        Status(
            name=name,
            charged=name in charged and name not in final,
            on=draw(flags),
            final=name in final,
            becomes=draw(st.sampled_from(["", *names])) if name not in final else "",
            touched=touched.get(name, ""),
            fee_in=draw(st.sampled_from(["", "entering costs 1"])),
        )
        for name in names
    )
    endpoints = (Status(name="up", on=True), Status(name="down"), Status(name="gone", final=True)) if paired else ()
    ends = draw(st.sets(st.sampled_from([name for name in names if name not in final]), min_size=1))
    costs = {one.name for one in sims if one.charged}
    goals = tuple(
        Goal(
            word=f"to-{name}",
            sim=name,
            endpoint=("up" if name in costs or draw(flags) else "down") if paired else None,
            verb=f"make {name} of",
        )
        for name in sorted(ends)
    )
    return Lifecycle(
        carrier="made-up",
        sims=sims,
        sim_moves=frozenset(moves),
        goals=goals,
        endpoints=endpoints,
        endpoint_moves=frozenset({("up", "down"), ("down", "up")} if paired else ()),
        bulk_endpoints=3,
        trap="a call to the endpoint would move the SIM",
    )

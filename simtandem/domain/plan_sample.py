"""A few lines that show what a plan changes: one for each kind of change, from where to where. Pure."""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from schemas.statuses import Action
from simtandem.domain import charge_words
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.messages import with_owners
from simtandem.domain.split_pairs import pair


class Symbol(StrEnum):
    """What a change does to the bill, as far as that is known."""

    BILLED = "+"
    CHANGED = "~"
    NOT_BILLED = "-"


_ORDER = list(Symbol)
"""Changes are shown in this order."""


def legend(lifecycle: Lifecycle) -> str:
    """What each symbol means at a carrier, and whose the cost is where its lifecycle does not know it."""
    on, off = charge_words.from_now(lifecycle), charge_words.no_longer(lifecycle)
    meanings = {Symbol.BILLED: on, Symbol.CHANGED: "changed", Symbol.NOT_BILLED: off}
    told = ", ".join(f"{symbol} {meaning}" for symbol, meaning in meanings.items())
    return told + charge_words.note(lifecycle)


@dataclass(frozen=True, slots=True)
class Sample:
    """The first device of a kind of change; `alike` counts all of that kind, this one included."""

    symbol: Symbol
    row: int
    device: str
    before: str
    after: str
    alike: int


def samples(plan: pl.DataFrame, lifecycle: Lifecycle) -> list[Sample]:
    """Every kind of change in a plan (`schemas.tables.Plan`), by its symbol; the most frequent first."""
    was, becomes = (pl.col(f"sim_{when}").is_in(list(lifecycle.charged)) for when in ("before", "after"))
    symbol = (
        pl.when("newly_billed")
        .then(pl.lit(Symbol.BILLED.value))
        .when((was & ~becomes).fill_null(value=False))
        .then(pl.lit(Symbol.NOT_BILLED.value))
        .otherwise(pl.lit(Symbol.CHANGED.value))
    )
    states = plan.filter(pl.col("action") == Action.CHANGE).with_columns(
        symbol=symbol,
        device=device(),
        **{when: pair(f"sim_{when}", f"endpoint_{when}", lifecycle) for when in ("before", "after")},
    )
    told = states.with_columns(
        before=with_owners("before", "owners_before"), after=with_owners("after", "owners_after")
    )
    kinds = (
        told.sort("row")
        .group_by("symbol", "before", "after", maintain_order=True)
        .agg(pl.col("row", "device").first(), alike=pl.len())
    )
    found = [
        Sample(Symbol(each["symbol"]), each["row"], each["device"], each["before"], each["after"], each["alike"])
        for each in kinds.iter_rows(named=True)
    ]
    return sorted(found, key=lambda sample: (_ORDER.index(sample.symbol), -sample.alike, sample.row))


def device(*, batches: bool = False) -> pl.Expr:
    """How a plan row's device is called: by its SIM, else its endpoint, else its ICCID.

    `batches`: a row may name a batch instead, as those of a plan of SIM actions.
    """
    named = [pl.format("SIM {}", "sim_id"), pl.format("endpoint {}", "endpoint_id"), pl.format("ICCID {}", "iccid")]
    return pl.coalesce(*named, *([pl.format("batch {}", "bic")] if batches else [])).fill_null("")

"""What a run left open: the rows that a retry would send, and what to do about rows that no run can change. Pure.

This is the one rule of what is offered after a run, on a terminal, in reports, in documents and in notifications.
"""

from dataclasses import dataclass

import polars as pl

from schemas import own_columns
from schemas.own_columns import Places
from schemas.statuses import Verdict
from simtandem.domain import reason_groups
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.plan_sample import device
from simtandem.domain.split_pairs import halves
from simtandem.domain.verdicts import SETTLED, add_refusals, open_rows
from simtandem.text.formats import of

RETRIED = (Verdict.FAILED, Verdict.UNKNOWN, Verdict.SKIPPED)
"""Verdicts of rows that a retry sends again, where a move leads from where the device is to what was asked."""
_ONE_FILE = Places(own_columns.none())
_CORRECT = ": correct {} in the list, then apply the list again"
_NO_WAY = ": no run can change that, so ask for another status, or take {} out of the list"
_MOST = 5


@dataclass(frozen=True, slots=True)
class LeftRows:
    """`retried`: the rows (`schemas.tables.Results`) that a retry would send, each device and status once.

    `instead` says in a sentence for each reason what to do about rows that no retry changes; the commonest first.
    """

    retried: pl.DataFrame
    instead: tuple[str, ...]


def left_rows(
    results: pl.DataFrame, lifecycle: Lifecycle, places: Places = _ONE_FILE, *, unread: bool = False
) -> LeftRows:
    """What these results leave to do. `unread`: nobody read the carrier after the last call, so all of it is open."""
    placed = _with_barred(results, lifecycle)
    open_verdict = pl.col("verdict").is_in([*RETRIED, *([Verdict.IN_SYNC] if unread else [])])
    to_open = placed.with_columns(verdict=pl.when(open_verdict).then(pl.lit(Verdict.FAILED.value)).otherwise("verdict"))
    sent = open_rows(to_open).filter(pl.col("verdict") == Verdict.FAILED, pl.col("barred").is_null())
    retried = results.join(sent.select("row"), on="row", how="semi", maintain_order="left")
    return LeftRows(retried, _instead(placed, places))


def barred(results: pl.DataFrame, lifecycle: Lifecycle) -> pl.Series:
    """Of every row of results, whether no legal move leads from where the device is to what was asked."""
    return _with_barred(results, lifecycle)["barred"].is_not_null()


def _with_barred(results: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """`results`, and why no move leads from where the device is to what was asked: null where one does, or unseen."""
    sim, endpoint = halves("after")
    told = add_refusals(
        results.with_row_index("at").with_columns(sim_now=sim, endpoint_now=endpoint), "barred", lifecycle
    )
    why = pl.when((pl.col("after") != "") & ~pl.col("verdict").is_in(list(SETTLED))).then("barred")
    return told.sort("at").with_columns(barred=why).drop("at", "sim_now", "endpoint_now")


def _instead(placed: pl.DataFrame, places: Places) -> tuple[str, ...]:
    """The sentences. A row that was refused before a move was looked for leads to no device, or to several."""
    refused, invalid = pl.col("verdict") == Verdict.REFUSED, pl.col("verdict") == Verdict.INVALID
    unclear = refused & ((pl.col("before") == "") | pl.col("reason").str.starts_with("rows contradict each other"))
    ids = ["sim_id", "endpoint_id", "iccid", "desired", "owners"]
    no_way = placed.filter((refused & ~unclear) | pl.col("barred").is_not_null())
    no_way = no_way.with_columns(reason=pl.coalesce("barred", "reason")).unique(ids, keep="first", maintain_order=True)
    wrong = placed.filter(unclear | invalid)
    groups = [
        *((group, _CORRECT) for group in reason_groups.grouped(_named(wrong))),
        *((group, _NO_WAY) for group in reason_groups.grouped(_named(no_way))),
    ]
    groups.sort(key=lambda each: (-each[0].count, each[0].row))
    told = [_sentence(group, advice, places) for group, advice in groups[:_MOST]]
    if others := len(groups) - len(told):
        told.append(f"{of(others, 'other reason')}: see results.csv.")
    return tuple(told)


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("row").select("row", "reason", example=device())


def _sentence(group: reason_groups.ReasonGroup, advice: str, places: Places) -> str:
    first = ", ".join(filter(None, [places(group.row), group.example]))
    them = "it" if group.count == 1 else "them"
    return f"{of(group.count, 'row')}: {group.reason} (the first: {first}){advice.format(them)}."

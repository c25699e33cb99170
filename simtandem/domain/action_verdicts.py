"""Compare the actions asked for with a fresh look at the carrier, and say of every input row what became of it. Pure.

As in `simtandem.domain.verdicts` the look decides, not what the calls answered. Without one, the outcomes decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from schemas.sim_actions import ActionResults, SimAction
from schemas.statuses import Action, Finding, Outcome, Verdict
from schemas.tables import empty
from simtandem.domain.action_plan import Listed, place
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.sim_actions import Batch
from simtandem.domain.split_pairs import NO_ENDPOINT, NO_SIM, split
from simtandem.domain.verdicts import SETTLED

_SCHEMA = empty(ActionResults).schema
_DONE = (Outcome.APPLIED, Outcome.UNCHANGED)
_ENDED = {
    Outcome.REFUSED: "the carrier refused it",
    Outcome.FAILED: "it failed",
    Outcome.UNKNOWN: "it was never answered",
    Outcome.HELD: "it was not sent",
}
_SPLIT = {
    Finding.PAYING_BUT_OFF: "the pair is charged and can't work: apply a status to it",
    Finding.SIM_WITHOUT_ENDPOINT: "the SIM is charged for nothing: suspend it, or assign it to an endpoint",
    Finding.ON_BUT_DEAD: "the pair appears active and can't connect: apply a status to it",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look shows of a row: whether it is as asked (None: it could not be read), and where the SIM is now.

    `state` is the pair's statuses as text. `was`: it is where it was before the run.
    """

    as_asked: bool | None
    where: str = ""
    state: str = ""
    was: bool = False
    sim_status: str | None = None
    split: Finding | None = None


def action_results(
    plan: pl.DataFrame,
    invalid: pl.DataFrame,
    outcomes: pl.DataFrame,
    after: Listed | None,
    lifecycle: Lifecycle,
) -> pl.DataFrame:
    """One line for each input row (`schemas.sim_actions.ActionResults`), sorted by row.

    `after` was read after the last call; None says that there is no such look. The last line of a row in `outcomes`
    (`ActionOutcomes`) counts; without one it was never sent.
    """
    ends = {row["row"]: row for row in outcomes.iter_rows(named=True)}
    told: dict[int, dict[str, Any]] = {}
    repeats = []
    for row in plan.iter_rows(named=True):
        if row["decision"] == Action.REPEAT:
            repeats.append(row)
        else:
            told[row["row"]] = _judged(row, ends.get(row["row"]), after, lifecycle)
    for row in repeats:
        told[row["row"]] = {**told[row["same_as"]], "row": row["row"], "reason": row["reason"], "attempts": 0}
    for row, column, value, reason in invalid.iter_rows():
        told[row] = _blank(row, Verdict.INVALID, f"{column} {value!r}: {reason}")
    table = pl.DataFrame([told[row] for row in sorted(told)], schema=_SCHEMA, orient="row")
    return ActionResults.validate(table)


def stragglers(plan: pl.DataFrame, outcomes: pl.DataFrame, after: Listed) -> pl.DataFrame:
    """The plan rows worth reading once more: nothing says that they failed, and the look shows them otherwise."""
    ends = dict(outcomes.select("row", "outcome").iter_rows())
    late = [
        row["row"]
        for row in plan.filter(pl.col("decision") == Action.CHANGE).iter_rows(named=True)
        if ends.get(row["row"]) in (*_DONE, Outcome.UNKNOWN) and not _shows(row, ends[row["row"]], after)
    ]
    return plan.filter(pl.col("row").is_in(late))


def _shows(row: Mapping[str, Any], outcome: str, after: Listed) -> bool:
    if row["action"] == SimAction.RESET_CONNECTIVITY:
        return outcome != Outcome.UNKNOWN or row["endpoint_id"] in after.resets
    return bool(seen(row, after).as_asked)


def to_retry(results: pl.DataFrame) -> pl.DataFrame:
    """The rows to retry, in the form of an input file, and their `row`: not in sync, and allowed by some rule.

    A reset that was never answered is none of them: nobody knows whether it was carried out.
    """
    doubtful = (pl.col("action") == SimAction.RESET_CONNECTIVITY) & (pl.col("verdict") == Verdict.UNKNOWN)
    rows = results.filter(~pl.col("verdict").is_in(list(SETTLED)) & ~doubtful.fill_null(value=False))
    wish = ["action", "sim_id", "endpoint_id", "iccid", "bic", "status"]
    return rows.select("row", *wish).unique(wish, keep="first", maintain_order=True)


def seen(row: Mapping[str, Any], after: Listed, lifecycle: Lifecycle | None = None) -> Seen:
    """What a look shows of a row of the plan."""
    if row["action"] == SimAction.REGISTER_BATCH:
        batch = after.batches.get(row["bic"], Batch(None))
        return Seen(batch.registered, batch.state, batch.state, batch.state == row["before"])
    sim = after.sims.get(row["sim_id"]) if row["sim_id"] else None
    if sim is None or sim.disagrees:
        endpoint = after.endpoints.get(row["endpoint_id"] or "")
        if row["sim_id"] or endpoint is None:
            return Seen(None)
        return Seen(endpoint.sim is None, NO_ENDPOINT, f"{NO_SIM}+{endpoint.status or 'unknown'}")
    beside = after.endpoints.get(sim.endpoint or "")
    where, status = place(sim.endpoint), beside.status if beside else None
    state = f"{sim.status or 'unknown'}+{NO_ENDPOINT if sim.endpoint is None else status or 'unknown'}"
    found = None if lifecycle is None else split(lifecycle, sim.status, status, alone=sim.endpoint is None)
    as_asked = sim.endpoint == row["endpoint_id"] if row["action"] == SimAction.ASSIGN else sim.endpoint is None
    return Seen(as_asked, where, state, where == row["before"], sim.status, found)


def _judged(
    row: Mapping[str, Any], end: Mapping[str, Any] | None, after: Listed | None, lifecycle: Lifecycle
) -> dict[str, Any]:
    outcome = None if end is None else Outcome(end["outcome"])
    now = Seen(None) if after is None else seen(row, after, lifecycle)
    base = {
        **_blank(row["row"], Verdict.REFUSED, row["reason"]),
        **{name: row[name] for name in ("action", "sim_id", "iccid", "endpoint_id", "bic", "status")},
        "before": _before(row),
        "after": now.state,
        "outcome": outcome,
        **({} if end is None else {name: end[name] for name in ("attempts", "http_status", "error")}),
    }
    if row["decision"] == Action.REFUSED:
        return {**base, "after": base["before"], "outcome": None}
    if row["action"] == SimAction.RESET_CONNECTIVITY:
        shown = after is not None and row["endpoint_id"] in after.resets
        verdict = Verdict.IN_SYNC if outcome is Outcome.UNKNOWN and shown else _unlooked(row, outcome)
        return {**base, "verdict": verdict, "reason": _reason_of_reset(row, verdict, outcome, now)}
    verdict = _unlooked(row, outcome) if after is None else _verdict(row, outcome, now)
    return {
        **base,
        "verdict": verdict,
        "reason": _reason(row, verdict, outcome, now, lifecycle, looked=after is not None),
    }


def _before(row: Mapping[str, Any]) -> str:
    if row["action"] == SimAction.REGISTER_BATCH:
        return str(row["before"])
    if row["sim_status"] is None and row["endpoint_status"] is None:
        return ""
    there = row["before"] not in ("", NO_ENDPOINT)
    beside = row["endpoint_status"] if there or row["sim_id"] is None else NO_ENDPOINT
    return f"{row['sim_status'] or NO_SIM}+{beside or 'unknown'}"


def _unlooked(row: Mapping[str, Any], outcome: Outcome | None) -> Verdict:
    """By how the call ended alone."""
    if row["decision"] == Action.UNCHANGED or outcome in _DONE:
        return Verdict.IN_SYNC
    return {
        None: Verdict.SKIPPED,
        Outcome.HELD: Verdict.SKIPPED,
        Outcome.UNKNOWN: Verdict.UNKNOWN,
    }.get(outcome, Verdict.FAILED)


def _verdict(row: Mapping[str, Any], outcome: Outcome | None, now: Seen) -> Verdict:
    if now.as_asked:
        return Verdict.IN_SYNC
    if now.as_asked is None:
        return Verdict.UNKNOWN
    if row["decision"] == Action.UNCHANGED or outcome in _DONE:
        return Verdict.CHANGED_BY_OTHERS
    if outcome in (None, Outcome.HELD):
        return Verdict.SKIPPED if now.was else Verdict.CHANGED_BY_OTHERS
    return Verdict.FAILED


def _reason(
    row: Mapping[str, Any],
    verdict: Verdict,
    outcome: Outcome | None,
    now: Seen,
    lifecycle: Lifecycle,
    *,
    looked: bool,
) -> str:
    """Why a row got its verdict and what to do about it; empty where it is plainly in sync."""
    ended = _ENDED.get(outcome) if outcome else None
    parts = []
    if verdict is Verdict.UNKNOWN:
        parts.append("the carrier did not show it afterwards; run again to read it")
    elif verdict in (Verdict.CHANGED_BY_OTHERS, Verdict.FAILED) and looked:
        parts.append(f"the batch is {now.where} now" if row["bic"] else _where(now.where))
    elif verdict is Verdict.SKIPPED:
        parts.append("not sent")
    elif verdict is Verdict.IN_SYNC and not looked and row["decision"] == Action.CHANGE:
        parts.append("as the carrier confirmed; it was not read afterwards")
    if ended and verdict is not Verdict.SKIPPED:
        parts.append(f"as asked, although {ended}" if verdict is Verdict.IN_SYNC else ended)
    if now.sim_status is not None and row["sim_status"] not in (None, now.sim_status):
        charged = ", which is charged" if now.sim_status in lifecycle.charged else ""
        parts.append(f"the SIM went from {row['sim_status']} to {now.sim_status}{charged} meanwhile")
    if now.split in _SPLIT:
        parts.append(_SPLIT[now.split])
    return "; ".join(parts)


def _reason_of_reset(row: Mapping[str, Any], verdict: Verdict, outcome: Outcome | None, now: Seen) -> str:
    """A reset shows in no state: how its call ended decides, and an event of it where that was not answered."""
    if verdict is Verdict.UNKNOWN:
        return "it was never answered, and no event shows that it was carried out; it is not sent again unless asked"
    if outcome is Outcome.UNKNOWN:
        return "it was never answered; an event of the carrier shows that it was carried out"
    if row["decision"] == Action.UNCHANGED:
        return str(row["reason"])
    told = [_ENDED[outcome]] if outcome in _ENDED else []
    if now.sim_status is not None and row["sim_status"] not in (None, now.sim_status):
        told.append(f"the SIM went from {row['sim_status']} to {now.sim_status} meanwhile")
    return "; ".join(told)


def _where(place: str) -> str:
    return f"the SIM has {place} now" if place == NO_ENDPOINT else f"the SIM is at {place} now"


def _blank(row: int, verdict: Verdict, reason: str) -> dict[str, Any]:
    names = dict.fromkeys(_SCHEMA)
    return {
        **names,
        "row": row,
        "before": "",
        "after": "",
        "verdict": verdict,
        "reason": reason,
        "attempts": 0,
        "error": "",
    }

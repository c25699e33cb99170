"""The waves of a run as its document and its page show them: from its states, its plan and its results."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import polars as pl

from schemas import waves as written
from schemas.statuses import StoppedBy, Verdict
from simtandem.domain.verdicts import verdict_counts
from simtandem.domain.waves import cut, numbers
from simtandem.ledger.records import RunState, StateRecord

PASSED, STOPPED, SENT, NOT_SENT = "passed", "stopped", "sent", "not_sent"


class WaveCheckDocument(TypedDict):
    """What the carrier's events showed: `seen` of `devices` attached, or had alerts; `needed` let the run continue.

    `unread` says why the events could not be read, where that is so.
    """

    check: str
    devices: int
    seen: int
    needed: int
    waited_s: float
    unread: str


class WaveDocument(TypedDict):
    """A wave: its `devices`, its rows by verdict at the end of the run, and what was found right after it was sent.

    `state` is `passed`, `stopped` (the run stopped after it), `sent` (no wave follows, or nobody looked) or `not_sent`.
    `failures` devices were other than asked for, where `limit` were allowed: null where nobody looked.
    """

    number: int
    devices: int
    state: str
    verdicts: dict[str, int]
    failures: int | None
    limit: int | None
    began: NotRequired[str]
    reviewed: NotRequired[str]
    check: NotRequired[WaveCheckDocument]
    approved_by: NotRequired[str]


def sizes_of(states: Sequence[StateRecord]) -> tuple[written.Amount, ...]:
    """The waves that a run with these states was cut into; none where it was sent in one go."""
    told = [each.detail.get("waves") for each in states if each.state is RunState.APPLYING]
    first = next((each for each in told if isinstance(each, list)), [])
    return tuple(written.amount(str(size)) for size in first)


def waves_of(
    states: Sequence[StateRecord], plan: pl.DataFrame, results: pl.DataFrame, stopped: Mapping[str, Any] | None
) -> list[WaveDocument]:
    """The waves of a run, in order; none where it had none. `stopped` is what its document says of its stop."""
    sizes = sizes_of(states)
    if not sizes or plan.is_empty():
        return []
    cuts, of_rows = cut(plan, sizes), results.join(numbers(plan, sizes), on="row")
    reviews = _by_wave(states, RunState.WAVE_DONE)
    approvals = _by_wave(states, RunState.APPROVED)
    stops = bool(stopped) and (stopped or {}).get("by") == StoppedBy.WAVE
    made = []
    for wave in cuts:
        rows, review = of_rows.filter(pl.col("wave") == wave.number), reviews.get(wave.number, {})
        last_reviewed = stops and wave.number == max(reviews, default=0)
        one: WaveDocument = {
            "number": wave.number,
            "devices": wave.rows.height,
            "state": STOPPED if last_reviewed else PASSED if review else SENT if _sent(rows) else NOT_SENT,
            "verdicts": verdict_counts(rows),
            "failures": review.get("failures"),
            "limit": review.get("limit"),
        }
        if review:
            one |= {"began": review["began"], "reviewed": review["reviewed"]}
        if "check" in review:
            one["check"] = review["check"]
        if wave.number in approvals:
            one["approved_by"] = str(approvals[wave.number].get("who", ""))
        made.append(one)
    return made


def _by_wave(states: Sequence[StateRecord], state: RunState) -> dict[int, dict[str, Any]]:
    """What the states of this kind say of each wave; a later one adds to an earlier one."""
    found: dict[int, dict[str, Any]] = {}
    for each in states:
        number = each.detail.get("wave")
        if each.state is state and isinstance(number, int):
            known = found.get(number, {"reviewed": each.at.isoformat()})
            found[number] = {**known, **each.detail}
    return found


def _sent(rows: pl.DataFrame) -> bool:
    """Whether anything of a wave was begun: a row that was not is skipped, without an attempt."""
    return bool(((rows["verdict"] != Verdict.SKIPPED) | (rows["attempts"] > 0)).any())

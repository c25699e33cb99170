"""Changes that a carrier takes now and shows later: many SIMs in one request, and requests of earlier runs.

A ticket is in the ledger before it is polled. So a run that was killed leaves what the next one needs to wait for its
request instead of sending another one.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta

import polars as pl

from schemas.statuses import Half, Outcome
from simtandem import progress
from simtandem.carriers.protocol import Accepted, Carrier, Change, Fresh, LateCarrier, StepResult, Submission
from simtandem.carriers.registry import devices_of
from simtandem.domain.device_ids import among
from simtandem.errors import CarrierUnavailable
from simtandem.ledger.store import Ledger
from simtandem.ledger.submissions import sent_changes
from simtandem.runs.run import Run

_LOOK_BACK = timedelta(days=7)
_OPEN = (Outcome.ACCEPTED.value, Outcome.UNKNOWN.value)
Send = Callable[[Sequence[Change], Fresh], Awaitable[Sequence[StepResult]]]


def sending(carrier: Carrier, accepted: Accepted) -> Send:
    """How changes of SIMs are sent to this carrier: many in one request where it takes them so, else one."""

    async def one(changes: Sequence[Change], fresh: Fresh) -> Sequence[StepResult]:
        return [await carrier.change_sim(change, fresh=fresh) for change in changes]

    if not isinstance(carrier, LateCarrier):
        return one
    late = carrier

    async def many(changes: Sequence[Change], fresh: Fresh) -> Sequence[StepResult]:
        return await late.change_sims(changes, accepted=accepted, fresh=fresh)

    return many


def for_a_call_each(changes: Sequence[Change], most: int) -> list[Sequence[Change]]:
    """Changes in groups that go in one call each: one SIM, or at most so many to the same status."""
    if most == 1:
        return [[each] for each in changes]
    by_goal: dict[str, list[Change]] = {}
    for each in changes:
        by_goal.setdefault(each.after, []).append(each)
    return [some[start : start + most] for some in by_goal.values() for start in range(0, len(some), most)]


async def wait_for_earlier(run: Run, carrier: Carrier, sims: Collection[str]) -> bool:
    """Wait until no request of another run is under way for any of these SIMs; whether there was one.

    Raises `CarrierUnavailable` where one still is at its deadline: a second one for the same SIMs is never sent.
    """
    if not isinstance(carrier, LateCarrier):
        return False
    known, open_ones = _open_submissions(run, sims)
    if not open_ones:
        return False
    count = sum(len(each.idents) for each in open_ones)
    progress.current().message(
        f"An earlier run sent changes of {_sims(count)}, and how they ended is not recorded: waiting for that first."
    )
    with progress.current().waits("waiting for the changes of an earlier run"):
        left = await carrier.follow(open_ones, known)
    if left:
        first = left[0]
        raise CarrierUnavailable(
            f"Run {first.run_id} sent a change of {_sims(len(first.idents))} at {first.at:%Y-%m-%d %H:%M} UTC that is "
            f"under way still ({first.ticket or 'without a ticket'}). Nothing was sent. Run again later."
        )
    return True


def _sims(count: int) -> str:
    return f"{count:,} SIM{'' if count == 1 else 's'}"


def _open_submissions(run: Run, sims: Collection[str]) -> tuple[set[str], list[Submission]]:
    """The tickets in the record, and what other runs sent for these SIMs and is not known to have ended."""
    since = run.ledger.clock() - _LOOK_BACK
    sent = sent_changes(run.ledger, run.settings.account_key, since)
    ended = {each.ticket for each in sent if each.ended}
    known = {each.ticket for each in sent if each.ticket}
    asked_for, found = among(sims, run.lifecycle.ids), []
    done: dict[str, set[str]] = {}
    for each in sent:
        if not each.change or each.run_id == run.run_id or each.ticket in ended - {""}:
            continue
        idents = [ident for half, ident in devices_of(each.path, each.body) if half is Half.SIM]
        if not any(map(asked_for, idents)):
            continue
        if each.run_id not in done:
            done[each.run_id] = _ended_sims(run.ledger, each.run_id)
        if not done[each.run_id].issuperset(idents):
            found.append(Submission(each.run_id, each.at, tuple(idents), each.ticket))
    return known, found


def _ended_sims(ledger: Ledger, run_id: str) -> set[str]:
    """The SIMs of a run whose step has an end in the record."""
    outcomes = ledger.outcomes(run_id).filter(~pl.col("outcome").is_in(_OPEN))
    return set(ledger.plan(run_id).join(outcomes, on="row", how="semi")["sim_id"].drop_nulls())

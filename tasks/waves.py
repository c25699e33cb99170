"""Between two waves: look at the one that ended, and decide whether the next one begins.

A pause that someone asks for meanwhile takes effect at once: what it cuts off is done again after it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from simtandem import progress
from simtandem.domain.waves import Wave, WaveResult
from simtandem.errors import Interrupted
from simtandem.host.user_name import user_name
from simtandem.ledger.records import RunState
from simtandem.runs import pausing, wave_review
from simtandem.text.formats import of
from tasks.artifacts import show_wave
from tasks.session import Session

__all__ = ["Wave", "decide", "review_wave"]

Found = TypeVar("Found")

_NOT_APPROVED = "nobody approved the next one"


@task(name="review wave", task_run_name="review {wave}", cache_policy=NO_CACHE)
async def review_wave(session: Session, wave: Wave, began: datetime) -> WaveResult | None:
    """Read a wave's devices afresh and judge them. None where the run is to stop, or to pause."""
    with suppress(Interrupted):
        return await wave_review.review(session.run, session.carrier, wave, began, session.wait_unless_paused)
    return None


async def decide(session: Session, wave: Wave, began: datetime, *, sent: bool) -> None:
    """After a wave: let the next one begin, or stop the run. Of a wave of which nothing was left this may be recorded.

    `sent`: this process has sent something of it.
    """
    if wave.last or session.applying.stop is not None:
        return
    if not sent and (decided := wave_review.decided_before(session.run, wave)) is not None:
        _as_decided(session, wave, decided)
        return
    result: WaveResult | None = await _unless_paused(session, partial(review_wave, session, wave, began))
    if result is None:
        return
    why = "" if result.passed else str(result)
    watch = partial(wave_review.objection, session.run, session.carrier, wave, began, session.wait_unless_paused)
    why = why or await _unless_paused(session, watch) or ""
    await show_wave(session, result, why)
    if not why and session.run.pacing.approval:
        why = await _approval(session, wave, result)
    session.applying.turns.waited |= session.run.pacing.lets_others_send
    if why:
        session.applying.stop_after_wave(why)


async def _unless_paused(session: Session, look: Callable[[], Awaitable[Found | None]]) -> Found | None:
    """What a look finds; one that a pause cuts off is begun anew after it. None where the run is to stop."""
    while session.applying.stop is None:
        async with session.heeding_pauses():
            with suppress(Interrupted):
                if (found := await look()) is not None:
                    return found
        await session.stay_paused()
    return None


def _as_decided(session: Session, wave: Wave, why: str) -> None:
    if why:
        session.applying.stop_after_wave(why)
    else:
        progress.current().message(f"Wave {wave.number} of {wave.waves} was reviewed before this process continued.")


async def _answer(session: Session, question: str) -> bool | None:
    """What the operator says; None where someone asks the run to pause before they do."""
    yes = await progress.current().ask(question, session.until_nothing_is_sent)
    return yes if yes or not session.applying.paused else None


async def _approval(session: Session, wave: Wave, result: WaveResult) -> str:
    """Let someone decide; why the run ends, or nothing where it continues."""
    run, hooks, following = session.run, progress.current(), session.applying.turns.waves[wave.number]
    question = f"{result}. Send wave {following.number} of {following.waves} ({of(following.rows.height, 'device')})?"
    who = user_name()
    if hooks.can_ask:
        approved = bool(await _unless_paused(session, partial(_answer, session, question)))
    else:
        async with session.in_prefect.shown(
            f"{result}; the next one waits: resume this run, or run simtandem resume {run.run_id}"
        ):
            who = await pausing.stay(run, session.wait, wave=wave.number, stopped=session.interrupted)
        approved = bool(who)
    if session.interrupted:
        return ""
    if not approved:
        return f"{wave}: {_NOT_APPROVED}"
    run.ledger.record_state(run.run_id, RunState.APPROVED, {"wave": wave.number, "who": who})
    return ""

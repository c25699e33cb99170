"""Endpoints that go back to where they were, because their SIM did not follow.

On a look that is old by then, and in a run that lost its lease meanwhile, they are read again first: where the SIM is
elsewhere by now, an endpoint that went back could be off beside a SIM that is charged, or have the carrier charge it.
"""

import logging
from collections.abc import Iterable, Sequence

import polars as pl

from schemas.statuses import Half, Outcome
from simtandem.carriers.protocol import Carrier, Change, Outdated, PartlyChanged, StepResult
from simtandem.errors import CarrierError, CarrierUnavailable, Interrupted
from simtandem.runs.batch import BatchWork
from simtandem.runs.device_claims import DeviceClaims
from simtandem.runs.fresh_look import End, FreshLook

log = logging.getLogger(__name__)

_TRIES = 3
"""So often a look that is old, or a lease that is lost, at just that moment is begun anew."""
_NOT_BACK = "%s endpoints could not be put back: each look at them was old, or lost, too soon."


class Returning:
    """What goes back of one batch."""

    def __init__(self, work: BatchWork, carrier: Carrier, claims: DeviceClaims, look: FreshLook, end: End) -> None:
        self._work, self._carrier, self._claims, self._look, self._end = work, carrier, claims, look, end

    async def put_back(self, *, held: bool) -> None:
        """Return endpoints, each once. `held`: also those whose SIM was held for any reason.

        What can't be is left, and a warning says so: the verdict names what such a pair costs.
        """
        work, free = self._work, self._carrier.lifecycle.free_to_put_back
        backs = [
            back
            for back, sim in work.to_put_back(held=held)
            if free(sim.now or work.changes[Half.SIM][back.row].before, back.after)
        ]
        work.returned |= {back.row for back in backs}
        later: list[Change] = []
        try:
            left, looks = [] if not backs or await self._sent(backs) else backs, 0
            while left and looks < _TRIES:
                size = self._look.pace.at_once(len(left))
                backs, later = left[:size], left[size:]
                backs = await self._open_still(backs)
                looks += not self._look.pace.wasted
                if not backs or await self._sent(backs):
                    left, looks = later, 0
            if left:
                log.warning(_NOT_BACK, len(left))
        except Interrupted as stopped:  # by a pause, too, after which they go back
            work.returned.difference_update(back.row for back in [*backs, *later])
            log.warning("Endpoints were not put back: %s", stopped)
        except CarrierError as error:
            log.warning("Endpoints could not be put back: %s", error)
            if isinstance(error, CarrierUnavailable) and error.maybe_processed:
                await self._note_unclear(back.row for back in backs)
        except PartlyChanged as partly:
            await self._part(backs, partly, later)

    async def _sent(self, backs: Sequence[Change]) -> bool:
        """Send these; False where what is known of them was old before all of them were, or they not this run's."""
        try:
            ends = await self._carrier.put_back_endpoints(backs, fresh=lambda: self._known(backs))
        except Outdated:
            return False
        await self._note(_returned(backs, ends))
        return True

    async def _part(self, backs: Sequence[Change], partly: PartlyChanged, later: Sequence[Change]) -> None:
        """Each keeps its own end: put back, or nobody knows, or left; after a pause what is left and `later` go back.

        Raises what ended it where that is neither a stop nor the carrier's doing.
        """
        await self._note(_returned(backs, partly.results))
        await self._note_unclear(partly.unclear)
        left = {back.row for back in backs} - {end.row for end in partly.results} - set(partly.unclear)
        log.warning("%s endpoints were not put back: %s", len(left), partly.cause)
        if isinstance(partly.cause, Interrupted):
            self._work.returned.difference_update(left, (back.row for back in later))
        elif not isinstance(partly.cause, CarrierError):
            raise partly.cause

    def _known(self, backs: Sequence[Change]) -> bool:
        mine = self._claims.holds(self._work.batch.number)
        return mine and all(self._look.good(self._work, Half.ENDPOINT, back.row) for back in backs)

    async def _note(self, returned: Sequence[tuple[Change, StepResult]]) -> None:
        results = [
            StepResult(end.row, Outcome.HELD, 1, end.http_status, f"put back to {back.after}: the SIM did not follow")
            for back, end in returned
        ]
        await self._end(self._work, Half.ENDPOINT, results, again=True)

    async def _note_unclear(self, rows: Iterable[int]) -> None:
        lost = "the SIM did not follow; putting it back was not answered"
        unclear = [StepResult(row, Outcome.UNKNOWN, 1, error=lost) for row in sorted(rows)]
        await self._end(self._work, Half.ENDPOINT, unclear, again=True)

    async def _open_still(self, backs: Sequence[Change]) -> list[Change]:
        """Claim the batch again, and read these: what is still where this run left it, with its SIM, is to go back.

        Nothing where nothing more is to be sent: then no other run is waited for.
        """
        rows = self._work.batch.rows.filter(pl.col("row").is_in([back.row for back in backs]))
        await self._claims.take(self._work.batch.number, self._work.batch.rows)
        if not self._claims.holds(self._work.batch.number):
            log.warning("%s endpoints were not put back: another run may have them by now.", len(backs))
            self._work.returned.difference_update(back.row for back in backs)
            return []
        at = self._look.now()
        by_id = self._look.pace.by_id
        with self._look.pace.timed(rows.height, by_id=by_id):
            now = await self._carrier.read(rows.select("sim_id", "endpoint_id"), by_id=by_id)
        self._work.looked.update(dict.fromkeys((back.row for back in backs), at))
        endpoints = dict(now.select("endpoint_id", "endpoint_status").iter_rows())
        sims = dict(now.select("endpoint_id", "sim_status").iter_rows())
        had = dict(rows.select("row", "sim_id").iter_rows())
        has = dict(now.select("endpoint_id", "sim_id").iter_rows())
        same = [back for back in backs if has.get(back.ident) == had[back.row]]
        if others := len(backs) - len(same):
            log.warning("%s endpoints were not put back: they belong to other SIMs by now, or to none.", others)
        there = [back for back in same if endpoints.get(back.ident) == back.after]
        await self._note([(back, StepResult(back.row, Outcome.APPLIED, 1)) for back in there])
        return [
            back
            for back in same
            if endpoints.get(back.ident) == back.before and sims.get(back.ident) == self._where_sim_was(back.row)
        ]

    def _where_sim_was(self, row: int) -> str:
        return self._work.results[Half.SIM][row].now or self._work.changes[Half.SIM][row].before


def _returned(backs: Sequence[Change], ends: Sequence[StepResult]) -> list[tuple[Change, StepResult]]:
    """Those that are where they were, each with how that ended."""
    by_row = {back.row: back for back in backs}
    return [(by_row[end.row], end) for end in ends if end.outcome in (Outcome.APPLIED, Outcome.UNCHANGED)]

"""Changes of states as events, as the rest knows them: who brought which SIM to which state, and when.

The platform numbers no events: a type is a state's place in the lifecycle. The operation shows whether a schedule or a
trigger of the account made a change, or someone asked for it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from schemas.event_types import EventSource
from schemas.tables import Events, empty
from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.history import StateChanged
from simtandem.carriers.aeris.paced import persist
from simtandem.carriers.http_call import Kind, Reply
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import CarrierRefused, CarrierUnavailable
from simtandem.host import clock

AT_ONCE = 1000
"""Subscriptions in a question for the history."""
_AUTOMATIC = frozenset({"TIME_BASED_CHANGE_SUBSCRIPTIONSTATE", "TRIGGER_ACTION"})
_UNKNOWN = 0
"""The type of a change to a state that the lifecycle does not have."""


@dataclass(frozen=True, slots=True)
class ChangeHistory:
    """The history as this client reads it. An answer is waited for `within_s`, and asked for every `poll_s`."""

    client: IotAcceleratorClient
    lifecycle: Lifecycle
    poll_s: float
    within_s: float

    async def read(
        self, sims: Mapping[str, str], since: datetime, until: datetime, types: Sequence[int]
    ) -> pl.DataFrame:
        """The changes of these SIMs (ICCID by IMSI) as `schemas.tables.Events`, sorted by time."""
        changes: list[StateChanged] = []
        imsis = [*sims]
        for start in range(0, len(imsis), AT_ONCE):
            changes += await self._of(imsis[start : start + AT_ONCE], since, until)
        found = as_events(changes, sims, self.lifecycle)
        return found.filter(pl.col("type").is_in(list(types))) if types else found

    async def _of(self, imsis: Sequence[str], since: datetime, until: datetime) -> list[StateChanged]:
        asked = await persist(lambda attempt: self.client.ask_history(imsis, since, until, attempt=attempt))
        _require(asked.reply)
        found: list[StateChanged] = []
        page, deadline = "", clock.steady() + self.within_s
        while True:
            answer = await persist(lambda attempt, at=page: self.client.history(asked.request_id, at, attempt=attempt))  # type: ignore[misc]
            _require(answer.reply)
            found += answer.changes
            if not answer.page:
                return found
            if not answer.changes:  # it is not ready yet
                if clock.steady() >= deadline:
                    raise CarrierUnavailable(f"The history of changes was not ready after {self.within_s:g} s.")
                await asyncio.sleep(self.poll_s)
            page = answer.page


def as_events(changes: Iterable[StateChanged], sims: Mapping[str, str], lifecycle: Lifecycle) -> pl.DataFrame:
    """`schemas.tables.Events`, sorted by time, each once; changes of other SIMs are left out."""
    numbers = {status: number for number, (_, status) in lifecycle.events.statuses.items()}
    rows = {}
    for each in changes:
        if each.imsi in sims:
            state = lifecycle.status_called(each.state_word)
            automatic = each.operation in _AUTOMATIC
            ident = f"{each.ticket or each.operation} {each.imsi} {each.at:%Y-%m-%dT%H:%M:%S.%f} {each.state_word}"
            rows[ident] = (
                ident,
                each.at,
                numbers.get(state or "", _UNKNOWN),
                each.operation,
                (EventSource.POLICY_CONTROL if automatic else EventSource.API).value,
                f"{each.operation} to {each.state_word}" + (f", request {each.ticket}" if each.ticket else ""),
                None if automatic else each.by or None,
                sims[each.imsi],
                sims[each.imsi],
                None,
            )
    return pl.DataFrame([*rows.values()], schema=empty(Events).schema, orient="row").sort("at", "event_id")


def _require(reply: Reply) -> None:
    if reply.kind is not Kind.OK:
        raise CarrierRefused(f"The history of changes can't be read: {reply.sentence}.", "history")

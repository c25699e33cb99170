"""Connectivity resets of earlier runs that a plan must know of, and what the carrier's events say of resets.

A reset shows in no state. So a run that was killed is continued by what the record has of its calls: those that were
answered are not sent again with the same file, and of those that were not, an event may say that they were carried out.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import polars as pl

from simtandem.carriers.protocol import Carrier
from simtandem.carriers.registry import endpoint_reset_by
from simtandem.domain.action_plan import Reset
from simtandem.errors import CarrierError
from simtandem.ledger import action_records
from simtandem.runs.run import Run

_LOOK_BACK = timedelta(days=1)
_RESET = 68
_CLOCKS_APART = timedelta(seconds=5)


async def earlier_resets(run: Run, carrier: Carrier, sha256: str) -> dict[str, Reset]:
    """By endpoint, the last reset that an earlier run sent, where it must not simply be sent once more.

    That is one without an answer, and one that a run with the same file sent which never came to its end.
    """
    sent = action_records.resets_sent(run.ledger, run.settings.account_key, run.ledger.clock() - _LOOK_BACK)
    found: dict[str, Reset] = {}
    for run_id, at, path, status, file, judged in sent.iter_rows():
        endpoint = endpoint_reset_by(path)
        if endpoint is None:
            continue
        found.pop(endpoint, None)
        answered = status is not None and 200 <= status < 300
        if answered and not judged and file == sha256:
            found[endpoint] = Reset(run_id, at[:19].replace("T", " "), done=True)
        elif status is None or status == 408 or status >= 500:
            found[endpoint] = Reset(run_id, at[:19].replace("T", " "), done=False)
    doubtful = [each for each, reset in found.items() if not reset.done]
    if doubtful:
        first = min(datetime.fromisoformat(found[each].at).replace(tzinfo=UTC) for each in doubtful)
        for endpoint, at_event in (await resets_in_events(run, carrier, first, doubtful)).items():
            if at_event >= datetime.fromisoformat(found[endpoint].at).replace(tzinfo=UTC) - _CLOCKS_APART:
                found[endpoint] = Reset(found[endpoint].run_id, found[endpoint].at, done=True)
    return found


async def resets_in_events(
    run: Run, carrier: Carrier, since: datetime, endpoints: Collection[str]
) -> dict[str, datetime]:
    """When the carrier's events last say that these endpoints were reset; nothing where they can't be read."""
    try:
        events = await carrier.events(since - _CLOCKS_APART, run.ledger.clock() + _CLOCKS_APART, [_RESET])
    except CarrierError:
        return {}
    named = events.filter(pl.col("endpoint_id").is_in(list(endpoints)) & pl.col("at").is_not_null())
    return dict(named.group_by("endpoint_id").agg(pl.col("at").max()).iter_rows())

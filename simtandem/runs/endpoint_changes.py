"""Changes of endpoints that go in several calls: where something ends them in the midst, each row keeps its own end."""

from collections.abc import Sequence

from schemas.statuses import Half
from simtandem.carriers.protocol import Carrier, Change, Fresh, Outdated, PartlyChanged, StepResult, Stops
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted
from simtandem.runs.batch import BatchWork
from simtandem.runs.fresh_look import End


async def send(
    carrier: Carrier, work: BatchWork, changes: Sequence[Change], end: End, stops: Stops, fresh: Fresh, rows: set[int]
) -> list[StepResult]:
    """As `Carrier.change_endpoints`, of these `rows`; they count as attempted.

    What ended it in the midst is raised once the rows that had ended are kept. `rows` are then only those that may have
    been changed, and attempted only those of which a call was begun: none where it ended before the first.
    """
    before = set(work.attempted[Half.ENDPOINT])
    work.attempted[Half.ENDPOINT] |= rows
    try:
        return await carrier.change_endpoints(changes, stops=stops, fresh=fresh)
    except PartlyChanged as partly:
        work.attempted[Half.ENDPOINT] = before | set(partly.tried)
        work.doubtful[Half.ENDPOINT] |= set(partly.unclear)
        rows.intersection_update(partly.unclear)
        await end(work, Half.ENDPOINT, partly.results)
        raise _of_the_rest(partly.cause) from partly
    except (AuthenticationFailed, Interrupted):
        work.attempted[Half.ENDPOINT] = before
        raise
    except Outdated as late:
        if not late.sent:
            work.attempted[Half.ENDPOINT] = before
        raise


def _of_the_rest(error: Exception) -> Exception:
    """What keeps the others from being sent, and says nothing of a change that was sent."""
    if isinstance(error, CarrierUnavailable):
        return CarrierUnavailable(error.message, status=error.status)
    return AuthenticationFailed(str(error)) if isinstance(error, AuthenticationFailed) else error

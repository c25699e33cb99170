"""Before a run that is stopped ends: pairs that it left paid for and off are completed.

Out of Factory Test a SIM goes first, and is charged from then on, also where the run ends before its endpoint is on.
Where someone stops the run, seconds must be enough. Where too many devices failed, nobody waits, and the rate limit has
its time; but where an endpoint's call is what failed, or the login is refused, nothing else is sent.
"""

import asyncio
import math

from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from simtandem.runs.pausing import complete
from simtandem.text.formats import of

_WITHIN_S = 5.0
"""A worker kills a flow run half a minute after its cancel, and the report comes after this."""
_GLANCE_S = 0.1


async def complete_pairs(applying: Applying, carrier: Carrier) -> None:
    """Send the second halves of SIMs that are charged since this run changed them; nothing else of it is on its way.

    What the rate limit leaves no time for, and what one more stop cuts off, stays as it is. A message says how many.
    """
    hooks = progress.current()
    by_someone = hooks.stop_requested
    await _complete(applying, carrier)
    if hooks.stop_requested and not by_someone:  # they stopped it while it was completed: there are seconds left
        await _complete(applying, carrier)


async def _complete(applying: Applying, carrier: Carrier) -> None:
    charged = _charged(applying)
    if not charged or not applying.completes or not applying.turns.begun:
        return
    hooks = progress.current()
    one = charged == 1
    hooks.message(
        f"{of(charged, 'SIM')} {'was' if one else 'were'} just activated, and {'is' if one else 'are'} charged: only "
        f"{'its endpoint is' if one else 'their endpoints are'} still enabled before the run ends."
    )
    with applying.completing():
        sending = asyncio.ensure_future(complete(applying, BatchWork.charged_and_off))
        try:
            await _while_affordable(sending, carrier, given_s=_WITHIN_S if hooks.stop_requested else math.inf)
        except BaseException:  # someone ends it at once
            sending.cancel()
            raise
        finally:
            if not sending.done():
                applying.interrupt()
            await asyncio.gather(sending, return_exceptions=True)
    sending.result()
    if left := _charged(applying):
        them = "It is" if left == 1 else f"{left:,} of them are"
        hooks.message(f"{them} still off, and charged. The report says which; a retry sends what is missing.")


def _charged(applying: Applying) -> int:
    return sum(len(work.charged_and_off()) for work in applying.turns.aside())


async def _while_affordable(sending: "asyncio.Future[None]", carrier: Carrier, *, given_s: float) -> None:
    """Wait for it, until it is plain that there is no time for it."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + given_s
    while not (await asyncio.wait([sending], timeout=_GLANCE_S))[0]:
        if carrier.waiting_s() > (left_s := give_up - loop.time()) or left_s <= 0:
            return

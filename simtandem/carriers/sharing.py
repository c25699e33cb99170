"""What an adapter is given besides the settings: what runs of an account share, and what stands in for the carrier."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import AsyncFileLock, Timeout

from simtandem.carriers.in_process import InProcess
from simtandem.carriers.rate_limit import Slots
from simtandem.errors import Interrupted

_LOOK_S = 0.5

Turn = Callable[[Callable[[], bool]], AbstractAsyncContextManager[None]]
"""A block in which nobody else of an account does the same. Given up, where the function says so: `Interrupted`."""


@dataclass(frozen=True, slots=True)
class Shared:
    """`slots` of the account's rate limit; None: those that this home keeps for itself. `urgent`: see `rate_limit`.

    `place` says where they are kept, if not in this home: the same for all that share them. `instead` takes all calls
    in the carrier's place.
    `endpoint_turn`: one at a time changes endpoints of all that share the ledger; without it, one of this home.
    """

    slots: Slots | None = None
    place: str = ""
    urgent: bool = False
    instead: InProcess | None = None
    endpoint_turn: Turn | None = None


ALONE = Shared()
"""This home shares with no other host, and nothing is urgent."""


def given_up_waiting() -> Interrupted:
    """What ends a wait for the turn of endpoint changes that was given up."""
    return Interrupted("Stopped while waiting for another run's endpoint changes; this one was not sent.")


def turn_of_host(file: Path, then: Turn | None = None) -> Turn:
    """The turn that processes of this host give one another, by a lock on this file; and within it, that other one."""

    @asynccontextmanager
    async def turn(given_up: Callable[[], bool]) -> AsyncIterator[None]:
        lock = AsyncFileLock(file)
        while True:
            with suppress(Timeout):
                await lock.acquire(timeout=_LOOK_S)
                break
            if given_up():
                raise given_up_waiting()
        try:
            async with then(given_up) if then is not None else nullcontext():
                yield
        finally:
            await lock.release()

    return turn

"""What is shown in Prefect's UI is best effort: a server that is slow or away must not stop or slow the patching.

What is shown when all is sent holds nothing up any more: a server that is being started again is waited for.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from prefect.exceptions import PrefectHTTPStatusError

Made = TypeVar("Made")

log = logging.getLogger("simtandem.artifacts")

_PATIENCE_S = 4.0
_SILENCE_S = 20.0
_LAST_PATIENCE_S = 45.0
_ASK_AGAIN_S = 1.0


class _Patience:
    """Waits briefly for a slow server; after one that did not answer in time, nothing is shown for a while."""

    def __init__(self) -> None:
        self.until = 0.0
        self.lost = False

    async def attempt(self, making: Coroutine[Any, Any, Made]) -> Made | None:
        """What was made; nothing where it could not be shown."""
        if time.monotonic() < self.until:
            making.close()
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await making
        except TimeoutError:
            self.until = time.monotonic() + _SILENCE_S
            log.info("Prefect does not answer; nothing is shown there for %s s", _SILENCE_S)
        except Exception as error:  # noqa: BLE001 - any error: the run continues
            log.info("An artifact could not be shown: %s", error)
        return None

    async def insist(self, make: Callable[[], Coroutine[Any, Any, Made]]) -> Made | None:
        """What was made, once the server answers; nothing where it stays away. That is waited for once in a process."""
        try:
            async with asyncio.timeout(_PATIENCE_S if self.lost else _LAST_PATIENCE_S):
                while True:
                    try:
                        made = await make()
                    except PrefectHTTPStatusError:  # it did answer
                        raise
                    except Exception as error:  # noqa: BLE001 - any error: the server is away, or being started
                        log.debug("Prefect is asked again: %s", error)
                        await asyncio.sleep(_ASK_AGAIN_S)
                    else:
                        self.lost = False
                        return made
        except TimeoutError:
            self.lost = True
            log.info("Prefect does not answer, though it was waited for; this is not shown there")
        except Exception as error:  # noqa: BLE001 - any error: the run has its end
            log.info("An artifact could not be shown: %s", error)
        return None


_patience = _Patience()
attempt, insist = _patience.attempt, _patience.insist

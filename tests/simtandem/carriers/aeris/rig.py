"""What the tests of Aeris's adapters stand on, beside emnify's journal and clock."""

from collections.abc import Callable
from pathlib import Path

import httpx

from simtandem.carriers.host_slots import HostSlots
from simtandem.carriers.rate_limit import CallBudget
from tests.simtandem.carriers.emnify.rig import NO_CERTIFICATES, QuickTime

Handler = Callable[[httpx.Request], httpx.Response]


def budget(folder: Path, time: QuickTime | None = None) -> CallBudget:
    quick = time or QuickTime()
    slots = HostSlots(folder / "budget.sqlite", clock=quick.clock)
    return CallBudget(slots, clock=quick.clock, sleep=quick.sleep)


def network() -> httpx.AsyncHTTPTransport:
    """Real connections, without certificates, which take long to load."""
    return httpx.AsyncHTTPTransport(verify=NO_CERTIFICATES)


class Recorder:
    """Answers as told, and keeps what it was asked."""

    def __init__(self, answer: Handler) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)


def remembered(home: Path) -> list[str]:
    """What is kept of refused keys and passwords, by account."""
    return [each.read_text(encoding="utf-8") for each in sorted(home.glob("refused-tokens-*.json"))]

"""One emulated platform for the folder, put back before each test, with a clock that a test moves."""

from collections.abc import Iterator

import httpx
import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator, State, SubscriptionGroup
from tests.simtandem.emulator.hand_clock import START, HandClock
from tests.simtandem.emulator.iot_accelerator.asking import Asking

FLEET = [
    SubscriptionGroup(3, State.ACTIVE),
    SubscriptionGroup(3, State.DEACTIVATED, label="depot"),
    SubscriptionGroup(1, State.PAUSE, locked=True),
    SubscriptionGroup(1, State.TERMINATED),
    SubscriptionGroup(1, State.OPERATOR_BLOCKED),
]


@pytest.fixture(scope="session")
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def started(hand_clock: HandClock) -> Iterator[IotAcceleratorEmulator]:
    with IotAcceleratorEmulator(FLEET, clock=hand_clock) as emulator:
        yield emulator


@pytest.fixture
def platform(started: IotAcceleratorEmulator, hand_clock: HandClock) -> IotAcceleratorEmulator:
    hand_clock.now = START
    started.reset()
    return started


@pytest.fixture(scope="session")
def connected(started: IotAcceleratorEmulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=started.url, timeout=60) as client:
        yield client


@pytest.fixture
def stranger(platform: IotAcceleratorEmulator, connected: httpx.Client) -> Asking:
    """Somebody who has not logged in."""
    for name in ("Authorization", "X-Access-Token"):
        connected.headers.pop(name, None)
    return Asking(connected)


@pytest.fixture
def asking(stranger: Asking) -> Asking:
    """Somebody with both kinds of token."""
    stranger.log_in()
    return stranger

"""One emulated platform for the folder, put back before each test, and a client of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.emulator.iot_accelerator.server import (
    PASSWORD,
    USERNAME,
    IotAcceleratorEmulator,
    State,
    SubscriptionGroup,
)
from tests.simtandem.carriers.aeris.rig import budget, network
from tests.simtandem.carriers.emnify.rig import MemoryJournal
from tests.simtandem.emulator.hand_clock import START, HandClock

FLEET = [SubscriptionGroup(5, State.ACTIVE), SubscriptionGroup(1, State.PAUSE, locked=True)]


@pytest.fixture(scope="session")
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def started(clock: HandClock) -> Iterator[IotAcceleratorEmulator]:
    with IotAcceleratorEmulator(FLEET, clock=clock) as emulator:
        yield emulator


@pytest.fixture
def emulator(started: IotAcceleratorEmulator, clock: HandClock) -> IotAcceleratorEmulator:
    clock.now = START
    started.reset()
    return started


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def client(emulator: IotAcceleratorEmulator, journal: MemoryJournal, tmp_path: Path) -> IotAcceleratorClient:
    credentials = Credentials(emulator.url, USERNAME, PASSWORD)
    return IotAcceleratorClient(credentials, budget(tmp_path), journal, transport=network())

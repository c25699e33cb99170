"""One emulated AerAdmin for the folder, put back before each test, with a clock that a test moves."""

from collections.abc import Iterator

import httpx
import pytest

from simtandem.emulator.aeradmin.server import API_KEY, AerAdminEmulator, DeviceGroup, State, StateChange
from tests.simtandem.emulator.aeradmin.asking import Asking
from tests.simtandem.emulator.hand_clock import START, HandClock

CHANGE = StateChange(
    "POST",
    "rest/made/up",
    {"accountID": "{account}", "email": "{email}", "{id_kind}": "{id}", "verb": "{word}"},
    {
        "do-provision": State.PROVISIONED,
        "do-bill": State.ACTIVE_BILLED,
        "do-suspend": State.SUSPENDED,
        "do-cancel": State.CANCELED,
    },
)
FLEET = [DeviceGroup(states=(state,)) for state in State] + [
    DeviceGroup(states=(State.ACTIVE_BILLED, State.SUSPENDED), iccid_digits=20)
]


@pytest.fixture(scope="session")
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def started(hand_clock: HandClock) -> Iterator[AerAdminEmulator]:
    with AerAdminEmulator(FLEET, state_change=CHANGE, clock=hand_clock) as emulator:
        yield emulator


@pytest.fixture
def aeradmin(started: AerAdminEmulator, hand_clock: HandClock) -> AerAdminEmulator:
    hand_clock.now = START
    started.reset()
    return started


@pytest.fixture(scope="session")
def connected(started: AerAdminEmulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=started.url, timeout=60) as client:
        yield client


@pytest.fixture
def asking(aeradmin: AerAdminEmulator, connected: httpx.Client) -> Asking:
    return Asking(connected, API_KEY)

"""One emulator for the whole folder, put back before each test, with a clock that only moves when a test moves it."""

from collections.abc import Iterator

import httpx
import pytest

from simtandem.emulator.server import Emulator
from tests.simtandem.emulator.hand_clock import START, HandClock


@pytest.fixture(scope="session")
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def running(clock: HandClock) -> Iterator[Emulator]:
    with Emulator(clock=clock, path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator, clock: HandClock) -> Emulator:
    clock.now = START
    running.reset()
    return running


@pytest.fixture(scope="session")
def connected(running: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


@pytest.fixture
def stranger(emulator: Emulator, connected: httpx.Client) -> httpx.Client:
    """A client without a token."""
    connected.headers.pop("Authorization", None)
    return connected


@pytest.fixture
def client(emulator: Emulator, stranger: httpx.Client) -> httpx.Client:
    """A client that has logged in."""
    answer = stranger.post("/api/v1/authenticate", json={"application_token": emulator.token})
    stranger.headers["Authorization"] = f"Bearer {answer.json()['auth_token']}"
    return stranger

"""One emulator for the whole folder, put back before each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from simtandem.emulator.server import Emulator
from tests.simtandem.carriers.emnify.rig import Proxy, Rig, emulated


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator(path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def carrier(running: Emulator) -> Emulator:
    """A carrier without any device yet."""
    running.reset()
    return running


@pytest.fixture
async def rig(tmp_path: Path, carrier: Emulator) -> AsyncIterator[Rig]:
    """A rig connected to `carrier`."""
    async with emulated(tmp_path, carrier) as connected:
        yield connected


@pytest.fixture
async def paged(tmp_path: Path, carrier: Emulator) -> AsyncIterator[Rig]:
    """A rig whose carrier gives 100 items a page, so that a fleet need not be large to have several."""
    async with emulated(tmp_path, carrier, proxy=Proxy(per_page=100)) as connected:
        yield connected

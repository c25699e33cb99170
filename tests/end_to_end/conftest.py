"""A desk with a carrier for each test. They share one Prefect server, which is warm; ledger and runs are their own."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.conftest import PrefectServer
from tests.end_to_end.operator_desk import Desk
from tests.end_to_end.warm_start import WarmStart

TOKEN = "hush-application-token-5f1c"
MakeDesk = Callable[..., Desk]


@pytest.fixture(scope="session")
def carrier() -> Iterator[Emulator]:
    with Emulator(token=TOKEN, path_limits=False) as emulator:
        yield emulator


@pytest.fixture(scope="session", autouse=True)
def _warm_start() -> Iterator[WarmStart]:
    with closing(WarmStart()) as warm:
        yield warm


@pytest.fixture(autouse=True)
def _commands_begin_warm(_warm_start: WarmStart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "warm", _warm_start)


@pytest.fixture
def look(tmp_path: Path, carrier: Emulator) -> Iterator[Callable[..., Desk]]:
    """Makes a desk for commands that need no Prefect; nothing in its home leads to a server."""

    def make(*fleet: Group, **behaviour: object) -> Desk:
        carrier.reset()
        carrier.refill(fleet)
        carrier.configure(**behaviour)
        return Desk(tmp_path / "desk", carrier, None)

    yield make
    carrier.reset()


@pytest.fixture
def sit_down(tmp_path: Path, carrier: Emulator, prefect_server: PrefectServer) -> Iterator[MakeDesk]:
    """Makes a desk with this fleet at the carrier."""

    def make(*fleet: Group, **behaviour: object) -> Desk:
        carrier.reset()
        carrier.refill(fleet)
        carrier.configure(**behaviour)
        return Desk(tmp_path / "desk", carrier, prefect_server.home)

    yield make
    carrier.reset()

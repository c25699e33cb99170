from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings

Drop = Callable[..., Path]


class Clock:
    """Goes on by a little whenever it is asked, and as far as it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 4, 12, 0, tzinfo=UTC)  # a Friday

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=3)
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", timezone="Europe/Berlin")


@pytest.fixture(scope="session")
def new_ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A ledger in which nothing is recorded: copying it is quicker than making one."""
    path = tmp_path_factory.mktemp("ledger") / "new.sqlite"
    Ledger.open(f"sqlite:///{path}").close()
    return path.read_bytes()


@pytest.fixture
def ledger(settings: Settings, clock: Clock, new_ledger: bytes) -> Iterator[Ledger]:
    settings.home.mkdir(exist_ok=True)
    Path(settings.ledger().removeprefix("sqlite:///")).write_bytes(new_ledger)
    with closing(Ledger.open(settings.ledger(), clock=clock)) as opened:
        yield opened


@pytest.fixture
def schedules(ledger: Ledger) -> Schedules:
    return Schedules(ledger)


@pytest.fixture
def inbox(settings: Settings) -> Path:
    folder = Path(settings.inbox_url)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def drop(inbox: Path) -> Drop:
    """Puts a file into the inbox: a header, and one row for each text."""

    def put(name: str, *rows: str, header: str = "iccid,status") -> Path:
        path = inbox / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return put


@pytest.fixture
def sim() -> Callable[[int], str]:
    """The ICCID of the n-th SIM."""
    return lambda number: f"89883030000000000{number:02d}"

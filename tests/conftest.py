"""What all tests share: clean settings, and no test left out where everything it needs should be there."""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from simtandem.cli import app, apply
from simtandem.ledger import store
from simtandem.prefect_server.credential import kept_credential
from simtandem.prefect_server.embedded_server import EmbeddedServer
from tests.new_ledgers import brought_up_to_date

# How fast examples are made says something of the machine and its load, nothing of what is tested.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Prefect, once a test has imported it, would send what our loggers say to its API, and warn where there is no flow.
os.environ["PREFECT_LOGGING_EXTRA_LOGGERS"] = ""

LONGEST = [Path(__file__).parent / each for each in ("stateful", "end_to_end", "flows", "tasks")]
"""Folders whose files take longest, though they have few tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files begin first: none is left for one of two processes while the other has nothing more to do."""
    items.sort(key=lambda item: not any(item.path.is_relative_to(each) for each in LONGEST))


@pytest.fixture(autouse=True)
def _process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves the process in another folder, or with another umask, or ends it with a command."""
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr(app, "leave", sys.exit)
    monkeypatch.setattr(apply, "run_and_leave", asyncio.run)
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _new_ledgers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_bring_up_to_date", brought_up_to_date)


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of whoever runs it."""
    for name in [
        name for name in os.environ if name.startswith("SIMTANDEM_") and not name.startswith("SIMTANDEM_TEST_")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@dataclass(frozen=True)
class PrefectServer:
    """An embedded server that is up, and the home it belongs to."""

    home: Path
    url: str
    credential: str


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One embedded server for the whole session: starting one takes longer than a run."""
    home = tmp_path_factory.mktemp("prefect")
    server = EmbeddedServer(home / "prefect")
    asyncio.run(_up(server))
    try:
        yield PrefectServer(home, server.url, kept_credential(home / "prefect"))
    finally:
        server.let_go()
    if (child := server.child) is not None:
        try:
            child.wait(60)
        finally:
            child.kill()  # only if somebody still holds on to it, which fails the session as well


async def _up(server: EmbeddedServer) -> None:
    await server.attach()
    await server.ready()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Unattended, a skipped test is a failure: its service should have been there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        reporter.write_line(f"{len(reporter.stats['skipped'])} tests were skipped, which is a failure here", red=True)
        session.exitstatus = 1

"""Flows run in this process, against the session's Prefect server and an emulated carrier."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem import progress
from simtandem.emulator.server import Emulator
from tests.conftest import PrefectServer


@pytest.fixture(scope="session")
def prefect_client(prefect_server: PrefectServer) -> Iterator[None]:
    """Prefect's own client, told where the server is; imported here, because it takes seconds."""
    from prefect.settings import (  # noqa: PLC0415 - see above
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    mine = {
        PREFECT_API_URL: prefect_server.url,
        PREFECT_API_AUTH_STRING: prefect_server.credential,
        PREFECT_HOME: prefect_server.home / "client",
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(mine):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect's client leaves sockets to the garbage collector; that is not our flows' fault."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True)
def leftovers_of_prefect() -> Iterator[None]:
    """Has them collected with the test that left them."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator(path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def emulator(
    running: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_client: None
) -> Iterator[Emulator]:
    """The carrier that the settings name."""
    running.reset()
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", running.url)
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", running.token)
    monkeypatch.setenv("SIMTANDEM_SIM_CONCURRENCY", "2")
    monkeypatch.setenv("SIMTANDEM_LIST_FOLDERS", str(tmp_path))
    progress.install(progress.ProgressHooks())
    yield running
    running.reset()

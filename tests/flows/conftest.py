"""Flows run in this process, against the session's Prefect server and an emulated carrier."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem import watching
from simtandem.emulator.server import Emulator
from simtandem.settings import export
from tests.conftest import PrefectServer


@pytest.fixture(scope="session")
def _prefect_client(prefect_server: PrefectServer) -> Iterator[None]:
    """Prefect's own client, told where the server is; imported here, because it takes seconds."""
    from prefect.settings import (  # noqa: PLC0415 - see above
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    mine = {
        PREFECT_API_URL: prefect_server.url,
        PREFECT_HOME: prefect_server.home / "client",
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(mine):
        yield


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator(path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def emulator(
    running: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _prefect_client: None
) -> Iterator[Emulator]:
    """The carrier that the settings name."""
    running.reset()
    for name in ("SIMTANDEM_HOME", "SIMTANDEM_EMNIFY_URL", "SIMTANDEM_EMNIFY_TOKEN", "SIMTANDEM_SIM_CONCURRENCY"):
        monkeypatch.setenv(name, "")
    export(
        {
            "SIMTANDEM_HOME": str(tmp_path / "home"),
            "SIMTANDEM_EMNIFY_URL": running.url,
            "SIMTANDEM_EMNIFY_TOKEN": running.token,
            "SIMTANDEM_SIM_CONCURRENCY": "2",
        },
        overwrite=True,
    )
    watching.watch(watching.Watcher())
    yield running
    running.reset()

"""The server of a home, as it runs: files of a run that is in the store of its settings file, and not in the home."""

from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from simtandem.settings import Settings
from tasks.file_links import where_files_are
from tests.conftest import PrefectServer
from tests.simtandem.ledger.conftest import a_run
from tests.simtandem.prefect_server.test_files_of_hosts import RUN, Shared, carried_out

__all__ = ["a_run", "carried_out"]


def test_a_server_fetches_what_another_host_left(
    prefect_server: PrefectServer, tmp_path: Path, carried_out: Shared
) -> None:
    file, store = prefect_server.home / "settings.toml", tmp_path / "store"
    carried_out(Settings(home=prefect_server.home, store=str(store)))
    file.touch(0o600)
    file.write_text(f'store = "{store}"\n')
    try:
        token = b64encode(prefect_server.credential.encode()).decode()
        address = f"{prefect_server.url}/simtandem/files/runs/{RUN}/results.csv"
        answer = httpx.get(address, headers={"Authorization": f"Basic {token}"}, timeout=60)
    finally:
        file.unlink()
    assert (answer.status_code, answer.text) == (200, "results.csv of another host")


@pytest.mark.parametrize("store", ["/srv/simtandem-store", None])
def test_a_host_that_shares_its_files_links_to_the_server_of_another_one(
    prefect_server: PrefectServer, tmp_path: Path, store: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, files = Settings(home=tmp_path, store=store), {"results": f"/elsewhere/{RUN}/results.csv"}
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.url)
    assert (f"/simtandem/runs/{RUN}/results.csv" in where_files_are(settings, RUN, files)) is (store is not None)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    told = where_files_are(settings, RUN, files)
    assert "/simtandem/runs" not in told
    assert ("in the store that the hosts share" in told) is (store is not None)

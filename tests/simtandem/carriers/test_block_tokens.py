"""A command at the terminal reads a token from Prefect's Secret block, for its own host alone, or says why not."""

import asyncio
from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from simtandem.carriers.block_tokens import BlockTokens
from simtandem.carriers.registry import require_credentials
from simtandem.errors import InputError
from simtandem.settings import load
from tests.conftest import PrefectServer

pytestmark = [  # Prefect's client leaves sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KEY = "hush-of-the-block-7e"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTINGS", "ACCOUNT", "CARRIER"):
        monkeypatch.delenv(f"SIMTANDEM_{name}", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    file = tmp_path / "settings.toml"
    section = '[accounts.aer]\ncarrier = "aeradmin"\naeradmin_account_id = "7"\naeradmin_email = "a@b.example"\n'
    file.write_text(f'{section}url = "https://aer.test"\ntoken = "block:token-of-aer"\n')
    file.chmod(0o600)


def test_it_is_read_once_for_the_host_that_it_names(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = {
        PREFECT_API_URL: prefect_server.url,
        PREFECT_API_AUTH_STRING: prefect_server.credential,
        PREFECT_HOME: prefect_server.home / "client",
    }
    with temporary_settings(client):
        asyncio.run(Secret(value={"token": KEY, "host": "aer.test"}).asave("token-of-aer", overwrite=True))  # type: ignore[arg-type]
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.url)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", prefect_server.credential)
    blocks = BlockTokens()
    for _ in range(2):
        filled = blocks.filled(load())
        assert filled.aeradmin_api_key is not None
        assert filled.aeradmin_api_key.get_secret_value() == KEY
        assert filled.account_key == load().account_key
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # what was read is not asked for again
    monkeypatch.setenv("SIMTANDEM_HOME", str(load().home))
    file = load().home / "settings.toml"
    file.write_text(file.read_text().replace("https://aer.test", "https://thief.test"))
    with pytest.raises(InputError, match=r"for aer\.test, and SIMTANDEM_AERADMIN_URL names thief\.test") as refused:
        blocks.filled(load())
    assert KEY not in str(refused.value)


def test_without_a_server_a_sentence_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"Secret block token-of-aer, which can't be read: No Prefect server") as told:
        require_credentials(load())
    assert "env:NAME or file:/path" in str(told.value)

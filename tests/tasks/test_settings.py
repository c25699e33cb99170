import gc
from collections.abc import AsyncIterator

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.variables import Variable

from simtandem.errors import InputError
from tasks.settings import settings_of_run
from tests.conftest import PrefectServer

pytestmark = [  # Prefect's client leaves sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
async def _prefect(prefect_server: PrefectServer) -> AsyncIterator[None]:
    """The session's server, left as it was found."""
    with temporary_settings({PREFECT_API_URL: prefect_server.url, PREFECT_HOME: prefect_server.home / "client"}):
        yield
        async with get_client() as client:
            for name in ("simtandem_calls", "simtandem_timezone"):
                if await client.read_variable_by_name(name):
                    await client.delete_variable_by_name(name)
            for document in await client.read_block_documents():
                if document.name == "simtandem-emnify-token":
                    await client.delete_block_document(document.id)
    gc.collect()


async def test_what_the_environment_leaves_open_is_read_from_prefect() -> None:
    await Secret(value=" hush-1 ").asave("simtandem-emnify-token")
    await Variable.aset("simtandem_calls", 77)
    await Variable.aset("simtandem_timezone", "Europe/Berlin")
    settings = await settings_of_run()
    assert (settings.token(), settings.calls, settings.timezone) == ("hush-1", 77, "Europe/Berlin")
    assert settings.calls_window_s == 300, "what is set nowhere keeps its default"


async def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    await Secret(value="hush-1").asave("simtandem-emnify-token")
    await Variable.aset("simtandem_calls", 77)
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", "hush-2")
    monkeypatch.setenv("SIMTANDEM_CALLS", "99")
    settings = await settings_of_run()
    assert (settings.token(), settings.calls) == ("hush-2", 99)


async def test_without_either_the_run_says_what_is_missing() -> None:
    settings = await settings_of_run()
    with pytest.raises(InputError, match="SIMTANDEM_EMNIFY_TOKEN is not set"):
        settings.token()


async def test_what_cannot_be_used_is_named_but_not_shown() -> None:
    await Variable.aset("simtandem_calls", "plenty-of-them")
    with pytest.raises(InputError, match="SIMTANDEM_CALLS") as refused:
        await settings_of_run()
    assert "plenty" not in str(refused.value)
    await Variable.aset("simtandem_calls", 1, overwrite=True)
    await Secret(value={"token": "hush-3"}).asave("simtandem-emnify-token")
    with pytest.raises(InputError, match="does not hold a text") as refused:
        await settings_of_run()
    assert "hush-3" not in str(refused.value)

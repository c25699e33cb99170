"""What Prefect keeps may supply what harms nobody, and the token for its own host; it diverts nothing."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.variables import Variable

from simtandem.errors import InputError
from simtandem.settings.model import VARIABLES
from tasks.run_settings import settings_of_run
from tests.conftest import PrefectServer

pytestmark = [  # Prefect's client leaves sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


NAMES = (
    *("calls", "timezone", "currency", "sim_concurrency", "emnify_url", "home", "max_suspend_share", "allow_http"),
    *("ledger_url", "emnify_token", "inbox", "four_eyes", "list_folders", "unheard_of"),
)


@pytest.fixture(autouse=True)
async def _prefect(prefect_server: PrefectServer) -> AsyncIterator[None]:
    """The session's server, left as it was found."""
    mine = {
        PREFECT_API_URL: prefect_server.url,
        PREFECT_API_AUTH_STRING: prefect_server.credential,
        PREFECT_HOME: prefect_server.home / "client",
    }
    with temporary_settings(mine):
        yield
        async with get_client() as client:
            for name in NAMES:
                if await client.read_variable_by_name(f"simtandem_{name}"):
                    await client.delete_variable_by_name(f"simtandem_{name}")
            for document in await client.read_block_documents():
                if document.name == "simtandem-emnify-token":
                    await client.delete_block_document(document.id)
    gc.collect()


async def save_token(value: Any) -> None:
    """The Secret block of the token, with a text or a document in it."""
    await Secret(value=value).asave("simtandem-emnify-token")


async def test_what_the_environment_leaves_open_and_harms_nobody_is_read_from_prefect() -> None:
    await save_token(" hush-1 ")
    await Variable.aset("simtandem_currency", "EUR")
    await Variable.aset("simtandem_timezone", "Europe/Berlin")
    await Variable.aset("simtandem_sim_concurrency", 3)
    await Variable.aset("simtandem_unheard_of", "x")
    settings = await settings_of_run()
    assert (settings.token(), settings.currency, settings.timezone) == ("hush-1", "EUR", "Europe/Berlin")
    assert settings.sim_concurrency == 3
    assert settings.calls_window_s == 300, "what is set nowhere keeps its default"


@pytest.mark.parametrize(
    "name",
    [
        *("emnify_url", "calls", "home", "max_suspend_share", "ledger_url", "emnify_token", "inbox", "allow_http"),
        *("four_eyes", "list_folders"),
    ],
)
async def test_a_variable_diverts_nothing_and_is_named_with_the_place_for_it(name: str) -> None:
    await save_token("hush-1")
    await Variable.aset(f"simtandem_{name}", "http://thief.test")
    with pytest.raises(InputError) as refused:
        await settings_of_run()
    told = str(refused.value)
    assert f"The Prefect Variable simtandem_{name} can't set SIMTANDEM_{name.upper()}" in told
    assert f"Set SIMTANDEM_{name.upper()} in the worker's environment" in told
    assert "thief" not in told
    assert ("Secret block simtandem-" in told) == (name in ("ledger_url", "emnify_token"))


def test_of_all_settings_only_these_may_come_from_variables() -> None:
    assert VARIABLES == ("currency", "monthly_rate", "sim_concurrency", "timezone")


async def test_a_variable_may_lower_the_calls_at_once_and_not_raise_them() -> None:
    await Variable.aset("simtandem_sim_concurrency", 9)
    with pytest.raises(InputError, match="may lower SIMTANDEM_SIM_CONCURRENCY, not raise it above 8"):
        await settings_of_run()


async def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    await save_token("hush-1")
    await Variable.aset("simtandem_currency", "EUR")
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", "hush-2")
    monkeypatch.setenv("SIMTANDEM_CURRENCY", "CHF")
    settings = await settings_of_run()
    assert (settings.token(), settings.currency) == ("hush-2", "CHF")


async def test_a_variable_for_another_setting_ends_the_run_also_where_the_environment_sets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await Variable.aset("simtandem_calls", 77)
    monkeypatch.setenv("SIMTANDEM_CALLS", "99")
    with pytest.raises(InputError, match="The Prefect Variable simtandem_calls can't set SIMTANDEM_CALLS"):
        await settings_of_run()


@pytest.mark.parametrize("value", ["hush-1", {"token": "hush-1", "host": "bics.test"}])
async def test_a_token_of_a_secret_block_goes_to_its_own_host_alone(
    monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    await save_token(value)
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", "https://thief.test")
    with pytest.raises(InputError, match=r"token in Prefect's Secret block is for .*thief\.test") as refused:
        await settings_of_run()
    assert "hush" not in str(refused.value)


async def test_a_secret_block_may_name_the_host_that_its_token_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    await save_token({"token": "hush-1", "host": "https://BICS.test:443/emnify"})
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", "https://bics.test/emnify")
    assert (await settings_of_run()).token() == "hush-1"


async def test_without_either_the_run_says_what_is_missing() -> None:
    settings = await settings_of_run()
    with pytest.raises(InputError, match="SIMTANDEM_EMNIFY_TOKEN is not set"):
        settings.token()


async def test_what_cannot_be_used_is_named_but_not_shown() -> None:
    await Variable.aset("simtandem_timezone", "Plenty/OfThem")
    with pytest.raises(InputError, match="SIMTANDEM_TIMEZONE") as refused:
        await settings_of_run()
    assert "Plenty" not in str(refused.value)
    await Variable.aset("simtandem_timezone", "UTC", overwrite=True)
    await save_token({"token": "hush-3"})
    with pytest.raises(InputError, match="does not hold a text") as refused:
        await settings_of_run()
    assert "hush-3" not in str(refused.value)

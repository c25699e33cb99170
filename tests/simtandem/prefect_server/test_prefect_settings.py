import pytest

from simtandem.prefect_server.prefect_settings import meant_for_another


@pytest.mark.parametrize(
    "name",
    [
        "PREFECT_HOME",
        "PREFECT_PROFILE",
        "PREFECT_PROFILES_PATH",
        "PREFECT_LOGGING_SETTINGS_PATH",
        "prefect_logging_config_path",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER",
        "PREFECT_API_KEY",
        "PREFECT__FLOW_RUN_ID",
    ],
)
def test_what_names_code_accounts_or_databases_is_meant_for_another_prefect(name: str) -> None:
    assert meant_for_another(name)


@pytest.mark.parametrize(
    "name", ["PREFECT_SERVER_API_AUTH_STRING", "PREFECT_UI_URL", "PREFECT_LOGGING_LEVEL", "PATH", "SIMTANDEM_HOME"]
)
def test_what_an_operator_sets_for_ours_is_not(name: str) -> None:
    assert not meant_for_another(name)

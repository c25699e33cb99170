import os
import ssl
from pathlib import Path

import pytest

from simtandem.host import clock
from simtandem.prefect_server import prefect_settings
from simtandem.prefect_server.prefect_settings import OWN, meant_for_another, prepare_client
from simtandem.settings import Settings


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


def test_the_only_authority_at_a_server_of_plain_http_is_nobody() -> None:
    context = ssl.create_default_context(cafile=OWN["PREFECT_API_SSL_CERT_FILE"])
    [authority] = context.get_ca_certs()
    assert authority["subject"] == ((("commonName", "nobody"),),)
    assert ssl.cert_time_to_seconds(str(authority["notAfter"])) < clock.seconds()


@pytest.mark.parametrize("own", [True, False])
def test_authorities_of_a_named_server_are_the_usual_ones(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.delenv("PREFECT_API_SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(prefect_settings, "only_while_alive", lambda _home, _url: None)
    monkeypatch.setattr(prefect_settings, "kept_credential", lambda _home: "user:password")
    prepare_client(Settings(home=tmp_path), "http://127.0.0.1:1/api", own=own)
    assert ("PREFECT_API_SSL_CERT_FILE" in os.environ) is own

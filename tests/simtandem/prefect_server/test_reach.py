"""What is said of this home's server, and of accounts whose runs could not call their carrier.

A Prefect server that the settings name is in test_doctor.py.
"""

from pathlib import Path

import pytest

from simtandem.prefect_server.reach import prefect_reached, without_access
from simtandem.prefect_server.server_identity import Answer, ServerNote


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SETTINGS", "ACCOUNT", "CARRIER", "EMNIFY_TOKEN", "AERADMIN_API_KEY", "IOT_ACCELERATOR_PASSWORD"):
        monkeypatch.delenv(f"SIMTANDEM_{name}", raising=False)
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    path = tmp_path / "settings.toml"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer.OURS, "a server of this home's own, which answers at http://127.0.0.1:9/api"),
        (Answer.FOREIGN, "a server of this home's own, started where a run needs it"),
    ],
)
def test_a_server_of_this_home_that_runs_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, said: str
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(ServerNote, "ask", lambda _note, _home: answer)
    (file.parent / "prefect").mkdir()
    ServerNote.new("http://127.0.0.1:9/api").write(file.parent / "prefect" / "server.json")
    assert prefect_reached(file.parent) == (said, "")


def test_a_token_of_the_settings_file_is_set_and_what_an_account_lacks_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EU", "hush")
    aer = '[accounts.aer]\ncarrier = "aeradmin"\ntoken = "env:EU"\n'
    file.write_text(f'[accounts.eu]\ntoken = "env:EU"\n[accounts.us]\ntoken = "block:us"\n{aer}')
    assert [*without_access()] == [
        "Account aer: Not set: SIMTANDEM_AERADMIN_ACCOUNT_ID, SIMTANDEM_AERADMIN_EMAIL.",
    ]


def test_without_accounts_the_block_is_named_that_runs_read(file: Path) -> None:
    assert file
    assert [*without_access()] == [
        (
            "Account default: No application token: SIMTANDEM_EMNIFY_TOKEN is not set. "
            "Runs need the Secret block simtandem-emnify-token."
        )
    ]

import json
from pathlib import Path

import pytest

from schemas.accounts import DEFAULT, AccountKey
from schemas.hosts import host_of
from simtandem.carriers.refused_tokens import refused_tokens
from simtandem.cli.retry_token import forget_refusals

URL = "http://127.0.0.1:1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", URL)
    monkeypatch.delenv("SIMTANDEM_EMNIFY_TOKEN", raising=False)
    return tmp_path


def test_refused_tokens_may_be_tried_again_without_knowing_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused_tokens(home, AccountKey(DEFAULT, host_of(URL))).remember("token", "HTTP 401")
    assert forget_refusals(as_json=False) == 0
    assert "tries the application token at 127.0.0.1:1 once more" in capsys.readouterr().out
    assert refused_tokens(home, AccountKey(DEFAULT, host_of(URL))).refusal_of("token") is None


@pytest.mark.parametrize(("carrier", "credential"), [("aeradmin", "API key"), ("iot-accelerator", "password")])
def test_what_may_be_tried_again_is_called_by_the_name_that_its_carrier_has_for_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], carrier: str, credential: str
) -> None:
    monkeypatch.setenv("SIMTANDEM_CARRIER", carrier)
    monkeypatch.setenv(f"SIMTANDEM_{carrier.upper().replace('-', '_')}_URL", URL)
    assert forget_refusals(as_json=False) == 0
    assert f"{home} has no record of a refused {credential} at 127.0.0.1:1" in capsys.readouterr().out
    refused_tokens(home, AccountKey(DEFAULT, host_of(URL))).remember("secret", "HTTP 401")
    assert forget_refusals(as_json=False) == 0
    assert f"The next run tries the {credential} at 127.0.0.1:1 once more." in capsys.readouterr().out


def test_nothing_to_forget_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert forget_refusals(as_json=False) == 0
    assert f"{home} has no record of a refused application token at 127.0.0.1:1" in capsys.readouterr().out
    assert forget_refusals(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["forgotten"] == 0

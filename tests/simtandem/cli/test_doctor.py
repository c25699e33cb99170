"""`simtandem doctor`: every point with what was found, what to do, and a token tried no more often than it may be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simtandem.cli.doctor import show_checks
from simtandem.emulator.server import Emulator

TOKEN = "hush-of-the-doctor-1b"


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator(3, token=TOKEN) as emulator:
        yield emulator


@pytest.fixture
def home(tmp_path: Path, carrier: Emulator, monkeypatch: pytest.MonkeyPatch) -> Path:
    carrier.reset()
    for name in ("SETTINGS", "ACCOUNT", "EMNIFY_URL", "EMNIFY_TOKEN"):
        monkeypatch.delenv(f"SIMTANDEM_{name}", raising=False)
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    monkeypatch.setenv("EU_TOKEN", TOKEN)
    monkeypatch.setenv("US_TOKEN", "wrong-token")
    file = tmp_path / "settings.toml"
    file.write_text(f'[accounts.eu]\nurl = "{carrier.url}"\ntoken = "env:EU_TOKEN"\n')
    file.chmod(0o600)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], code: int, *, offline: bool = False) -> dict[str, Any]:
    assert show_checks(offline=offline, as_json=True) == code
    document = json.loads(capsys.readouterr().out)
    assert TOKEN not in json.dumps(document)
    return {each["what"]: each for each in document["checks"]}


def test_all_is_in_order(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, 0)
    assert list(found) == ["versions", "settings", "disk", "ledger", "Prefect", "account eu"]
    assert "3 SIMs, 0 of them charged; limit 1,900 calls in 300 s" in found["account eu"]["found"]
    assert str(home / "settings.toml") in found["settings"]["found"]
    assert "no runs yet" in found["ledger"]["found"]


def test_offline_calls_no_carrier(home: Path, carrier: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert home
    assert "not called" in told(capsys, 0, offline=True)["account eu"]["found"]
    assert sum(carrier.stats()["by_route"].values()) == 0


def test_a_refused_token_is_tried_once_and_keeps_no_other_account(
    home: Path, carrier: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "settings.toml"
    file.write_text(file.read_text() + f'[accounts.us]\nurl = "{carrier.url}"\ntoken = "env:US_TOKEN"\n')
    for _ in range(3):
        found = told(capsys, 1)
        assert found["account us"]["remedy"]
        assert not found["account eu"]["remedy"]
    logins = carrier.stats()["by_route"]["POST /api/v1/authenticate"]
    assert logins == 3 + 1, "the right token each time, the wrong one once"


def test_a_missing_token_is_told_with_its_place(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    monkeypatch.delenv("EU_TOKEN")
    assert "[accounts.eu] token: the variable EU_TOKEN is not set" in told(capsys, 1)["account eu"]["found"]

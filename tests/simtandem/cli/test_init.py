"""`simtandem init`: an account is kept only where its token was accepted, and nothing else in the file changes."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from simtandem.cli.init import set_up
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.host.settings_writer import added_account
from simtandem.settings import load
from tests.end_to_end.independent_aeris import IndependentAerAdmin, IndependentIotAccelerator

TOKEN = "hush-of-init-9c"


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator(4, token=TOKEN) as emulator:
        yield emulator


@pytest.fixture
def home(tmp_path: Path, carrier: Emulator, monkeypatch: pytest.MonkeyPatch) -> Path:
    carrier.reset()
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIMTANDEM_ACCOUNT", "")
    monkeypatch.setenv("EU_TOKEN", TOKEN)
    for name in ("SETTINGS", "EMNIFY_URL", "EMNIFY_TOKEN"):
        monkeypatch.delenv(f"SIMTANDEM_{name}", raising=False)
    return tmp_path / "home"


def test_an_account_is_kept_once_its_token_was_accepted(
    home: Path, carrier: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up("eu", "emnify", carrier.url, "env:EU_TOKEN") == 0
    file = home / "settings.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "4 SIMs" in capsys.readouterr().out
    assert (load("eu").emnify_url, load("eu").token()) == (carrier.url, TOKEN)
    with pytest.raises(InputError, match="has an account eu already"):
        set_up("eu", "emnify", carrier.url, "env:EU_TOKEN")


def test_a_refused_token_leaves_everything_as_it_was(
    home: Path, carrier: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(mode=0o700)
    file = home / "settings.toml"
    file.write_text("# mine\ncalls = 100\n")
    file.chmod(0o600)
    monkeypatch.setenv("EU_TOKEN", "wrong")
    for _ in range(2):
        with pytest.raises(InputError, match=r"(?s)`token` of the named account.*The account was not added"):
            set_up("eu", "emnify", carrier.url, "env:EU_TOKEN")
    with pytest.raises(InputError, match=r"url in \[accounts\.eu\] is an http:// address"):
        set_up("eu", "emnify", "http://carrier.test", "env:EU_TOKEN")
    assert file.read_text() == "# mine\ncalls = 100\n"
    assert carrier.stats()["by_route"]["POST /api/v1/authenticate"] == 1, "what was refused is not tried again"


def test_a_typed_token_is_in_a_file_of_its_own(home: Path) -> None:
    with added_account("eu", {"url": "https://carrier.test"}, TOKEN) as path:
        assert TOKEN not in path.read_text()
    assert stat.S_IMODE((home / "eu.token").stat().st_mode) == 0o600
    assert load("eu").token() == TOKEN
    with pytest.raises(InputError, match="not its day"), added_account("us", {}, "other"):
        raise InputError("not its day")
    assert sorted(path.name for path in home.iterdir()) == ["eu.token", "settings.toml"]
    assert "[accounts.us]" not in (home / "settings.toml").read_text()


@pytest.mark.parametrize("name", ["../up", "EU", "taken", ""])
def test_a_name_that_is_none_is_refused(home: Path, name: str) -> None:
    with pytest.raises(InputError, match="can't be the name of an account"), added_account(name, {}):
        pass
    assert not home.exists()


def test_without_a_terminal_what_is_not_given_is_named(home: Path) -> None:
    assert home
    with pytest.raises(InputError, match="Name of the account, such as depot-eu: there is no terminal to ask on"):
        set_up("", "emnify", "", "")
    with pytest.raises(InputError, match="there is no such carrier; use emnify, aeradmin, iot-accelerator"):
        set_up("eu", "acme", "", "")
    with pytest.raises(InputError, match=r"Account id: there is no terminal to ask on.*--set"):
        set_up("eu", "aeradmin", "https://aer.test", "env:EU_TOKEN")
    with pytest.raises(InputError, match="they are aeradmin_account_id=…, aeradmin_email=…"):
        set_up("eu", "aeradmin", "https://aer.test", "env:EU_TOKEN", ["calls=1"])


def test_aeradmin_is_set_up_with_what_it_needs_and_a_sim_to_read(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = ["aeradmin_account_id=70007", "aeradmin_email=ops@example.org"]
    aeradmin = IndependentAerAdmin({"89185015060000000001": "Bill"})
    monkeypatch.setenv("AER_KEY", "wrong")
    try:
        with pytest.raises(InputError, match="The account was not added"):
            set_up("aer", "aeradmin", aeradmin.url, "env:AER_KEY", asks, "89185015060000000001")
        assert (len(aeradmin.calls), (home / "settings.toml").exists()) == (1, False)
        monkeypatch.setenv("AER_KEY", aeradmin.key)
        assert set_up("aer", "aeradmin", aeradmin.url, "env:AER_KEY", asks, "89185015060000000001") == 0
    finally:
        aeradmin.close()
    said = capsys.readouterr().out
    assert "SIM 89185015060000000001 is Active-billed; limit 1 calls in 1 s" in said
    assert "Next: simtandem plan FILE --to STATUS --account aer" in said
    assert stat.S_IMODE((home / "settings.toml").stat().st_mode) == 0o600


def test_the_iot_accelerator_is_set_up_with_a_login_and_a_company(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    iot = IndependentIotAccelerator({"99987100880000000001": "ACTIVE"})
    asks = [f"iot_accelerator_username={iot.user}", f"iot_accelerator_company={iot.company}"]
    monkeypatch.setenv("IOT_PASSWORD", "wrong")
    try:
        with pytest.raises(InputError, match="The account was not added"):
            set_up("iot", "iot-accelerator", iot.url, "env:IOT_PASSWORD", asks)
        assert (len(iot.calls), (home / "settings.toml").exists()) == (1, False)
        monkeypatch.setenv("IOT_PASSWORD", iot.password)
        assert set_up("iot", "iot-accelerator", iot.url, "env:IOT_PASSWORD", asks) == 0
    finally:
        iot.close()
    assert "1 SIMs, 1 of them ACTIVE; limit 100 calls in 60 s" in capsys.readouterr().out
    assert load("iot").iot_accelerator_company == iot.company

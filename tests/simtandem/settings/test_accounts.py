"""A settings file with accounts: what it may say, who is meant, and that nothing of one account becomes another's."""

import os
from pathlib import Path

import pytest

from simtandem.errors import InputError
from simtandem.settings import account_names, load, load_home

SECRET = "s3cret-of-depot"
TWO = """
max_suspend_share = 0.1

[accounts.depot-eu]
token = "env:DEPOT_EU"
calls = 100

[accounts.depot-us]
url = "https://us.carrier.test"
token = "env:DEPOT_US"
timezone = "America/Chicago"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    monkeypatch.setenv("DEPOT_EU", SECRET)
    monkeypatch.setenv("DEPOT_US", "s3cret-of-us")
    for name in ("SETTINGS", "ACCOUNT", "EMNIFY_URL", "EMNIFY_TOKEN"):
        monkeypatch.delenv(f"SIMTANDEM_{name}", raising=False)
    return tmp_path


def write(home: Path, text: str, mode: int = 0o600) -> Path:
    path = home / "settings.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refusal(account: str = "") -> str:
    with pytest.raises(InputError) as refused:
        load(account)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_each_account_has_its_own_address_token_and_limits(home: Path) -> None:
    write(home, TWO)
    eu, us = load("depot-eu"), load("depot-us")
    assert (eu.account, eu.carrier_host, eu.token(), eu.calls) == ("depot-eu", "cdn.emnify.net", SECRET, 100)
    assert (us.account, us.carrier_host, us.token(), us.calls) == ("depot-us", "us.carrier.test", "s3cret-of-us", 2000)
    assert (eu.max_suspend_share, us.max_suspend_share) == (0.1, 0.1)
    assert (eu.timezone, us.timezone) == ("UTC", "America/Chicago")


def test_nothing_of_the_environment_becomes_an_accounts_address_or_token(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, '[accounts.depot-eu]\ncalls = 5\n[accounts.depot-us]\ntoken = "env:NOT_SET"\n')
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", "https://other.test")
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", "of-default")
    assert load("depot-eu").carrier_host == "cdn.emnify.net"
    with pytest.raises(InputError):
        load("depot-eu").token()
    with pytest.raises(InputError, match="NOT_SET is not set"):
        load("depot-us").token()
    assert (load("default").carrier_host, load("default").token()) == ("other.test", "of-default")
    assert account_names() == ["depot-eu", "depot-us", "default"]


def test_what_the_top_of_the_file_sets_for_default_is_no_other_accounts(home: Path) -> None:
    write(home, 'url = "https://top.test"\ntoken = "env:DEPOT_US"\n[accounts.depot-eu]\ntoken = "env:DEPOT_EU"\n')
    assert load("depot-eu").carrier_host == "cdn.emnify.net"
    assert (load("default").carrier_host, load("default").token()) == ("top.test", "s3cret-of-us")


def test_its_section_decides_then_the_environment_then_the_top(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "calls = 1\nsim_concurrency = 2\n[accounts.depot-eu]\ncalls = 3\n")
    monkeypatch.setenv("SIMTANDEM_CALLS", "4")
    assert (load("depot-eu").calls, load("depot-eu").sim_concurrency) == (3, 2)
    monkeypatch.setenv("SIMTANDEM_SIM_CONCURRENCY", "5")
    assert load("depot-eu").sim_concurrency == 5


def test_with_several_and_none_chosen_an_error_names_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, TWO)
    assert "2 accounts: depot-eu, depot-us. Nothing was sent" in refusal()
    assert "There is no account depot" in refusal("depot")
    assert load_home().home == home, "what is about the home needs no account"
    monkeypatch.setenv("SIMTANDEM_ACCOUNT", "depot-us")
    assert load().account == "depot-us"
    assert load("depot-eu").account == "depot-eu"


def test_one_account_needs_no_choice_and_the_file_may_choose(home: Path) -> None:
    write(home, '[accounts.depot-eu]\ntoken = "env:DEPOT_EU"\n')
    assert load().account == "depot-eu"
    write(home, f'account = "depot-us"\n{TWO}')
    assert load().account == "depot-us"


def test_a_token_that_a_section_names_is_not_that_of_default_as_well(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, '[accounts.depot-eu]\ntoken = "env:SIMTANDEM_EMNIFY_TOKEN"\n')
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", SECRET)
    assert account_names() == ["depot-eu"]
    assert load().token() == SECRET


def test_without_a_file_settings_are_those_of_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", SECRET)
    assert home
    assert (load().account, load().token(), account_names()) == ("default", SECRET, ["default"])
    assert "There is no account depot-eu" in refusal("depot-eu")


def test_two_accounts_with_one_token_are_warned_of(home: Path) -> None:
    write(home, TWO.replace("DEPOT_US", "DEPOT_EU"))
    assert load("depot-eu").warnings == [], "another host is another account"
    write(home, TWO.replace("DEPOT_US", "DEPOT_EU").replace('url = "https://us.carrier.test"', ""))
    assert "depot-eu, depot-us have one token" in load("depot-eu").warnings[0]


def test_a_token_may_be_in_a_file_of_its_own_that_others_can_not_read(home: Path) -> None:
    token = home / "token"
    token.write_text(f"{SECRET}\n")
    token.chmod(0o600)
    write(home, f'[accounts.depot-eu]\ntoken = "file:{token}"\n')
    assert load().token() == SECRET
    token.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600") as refused:
        load().token()
    assert SECRET not in str(refused.value)
    token.unlink()
    with pytest.raises(InputError, match="can't be read"):
        load().token()


def test_a_block_of_prefects_is_read_by_runs_in_prefect_alone(home: Path) -> None:
    write(home, '[accounts.depot-eu]\ntoken = "block:depot-token"\n')
    assert load().token_block == "depot-token"
    with pytest.raises(InputError, match="Secret block depot-token, which runs in Prefect read"):
        load().token()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'[accounts.depot-eu]\ntoken = "{SECRET}"\n', "a secret must not be in the settings file"),
        (f'notify_webhook = "https://hooks.test/{SECRET}"\n', "a secret must not be in the settings file"),
        (f'ledger_url = "postgresql+psycopg://me:{SECRET}@db/x"\n', "a secret must not be in the settings file"),
        ("[accounts.depot-eu]\nmax_suspend_shar = 1\n", "max_suspend_shar: there is no such setting. Did you mean max"),
        ("[accounts.depot-eu]\nledger_url = 'x'\n", "holds for all accounts: write it above the first section"),
        ("[accounts.depot-eu]\ncalls = [1]\n", "[accounts.depot-eu] calls: must be a text, a number, true or false"),
        ("[accounts.depot-eu]\ncalls = 0\n", "[accounts.depot-eu] calls: must be at least 1"),
        ("[accounts.depot-eu]\ncalls = true\n", "[accounts.depot-eu] calls: must be a whole number"),
        ("[accounts.'../up']\n", "a name has 1 to 40 of a-z, 0-9 and -"),
        ("[accounts.Depot]\n", "a name has 1 to 40 of a-z, 0-9 and -"),
        ("accounts = 3\n", "write a section for each account"),
        ("[accounts]\ndepot = 3\n", "write a section, [accounts.depot]"),
        (f"token == '{SECRET}'\n", "it is not TOML: at line 1"),
        ("home = '/elsewhere'\n", "home: there is no such setting"),
        ("[accounts.aer]\naeradmin_url = 'x'\n", "[accounts.aer] aeradmin_url: a settings file calls it url"),
        ("[accounts.aer]\naeradmin_api_key = 'x'\n", "[accounts.aer] aeradmin_api_key: a settings file calls it token"),
        ("emnify_url = 'https://x.example'\n", "emnify_url: a settings file calls it url"),
        ("iot_accelerator_password = 'x'\n", "iot_accelerator_password: a settings file calls it token"),
        ("\0", "it is not TOML"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_and_never_quoted(home: Path, text: str, told: str) -> None:
    write(home, text)
    assert told in refusal()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_may_read_or_change_is_refused(home: Path, mode: int) -> None:
    path = write(home, TWO, mode)
    assert f"chmod 600 {path}" in refusal("depot-eu")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(home: Path) -> None:
    os.chown(write(home, TWO), 65534, -1)
    assert "it belongs to another user (number 65534)" in refusal("depot-eu")


def test_what_is_no_file_is_refused_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(home / "settings.toml", 0o600)
    assert "it is no regular file" in refusal()
    monkeypatch.setenv("SIMTANDEM_SETTINGS", str(home / "nowhere.toml"))
    assert "there is no file" in refusal()


def test_a_file_that_is_named_may_say_where_the_home_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMTANDEM_HOME")
    path = write(home, f'home = "{home}/other"\n')
    monkeypatch.setenv("SIMTANDEM_SETTINGS", str(path))
    assert load().home == home / "other"


def test_the_file_is_utf8_with_or_without_a_mark_and_not_too_large(home: Path) -> None:
    write(home, "\ufeffcalls = 7\n")
    assert load().calls == 7
    (home / "settings.toml").write_bytes(b"currency = '\xff'\n")
    assert "it is not UTF-8 text" in refusal()
    (home / "settings.toml").write_bytes(b"#" * 1_000_001)
    assert "it is too large" in refusal()

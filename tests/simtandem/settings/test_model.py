import os
import pickle
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from simtandem.errors import InputError
from simtandem.settings import Settings, child_environment, export, forget, load, pin_paths, prefect_api_url

SECRET = "s3cret-t0ken"


def test_defaults_are_those_of_the_operators_interface() -> None:
    settings = load()
    assert settings.home == Path("~/.simtandem").expanduser()
    assert settings.emnify_url == "https://cdn.emnify.net"
    assert settings.emnify_token is None
    assert (settings.calls, settings.calls_window_s, settings.calls_reserve) == (2000, 300.0, 0.05)
    assert settings.sim_concurrency == 8
    assert settings.ledger() == f"sqlite:///{settings.home}/ledger.sqlite"
    assert settings.runs_folder == settings.home / "runs"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "HOME": str(tmp_path),
        "LEDGER_URL": "postgresql+psycopg://me:pw@db/ledger",
        "EMNIFY_URL": "https://bics.test/emnify/",
        "EMNIFY_TOKEN": SECRET,
        "CALLS": "500",
        "CALLS_WINDOW_S": "60",
        "CALLS_RESERVE": "0.5",
        "SIM_CONCURRENCY": "3",
    }.items():
        monkeypatch.setenv(f"SIMTANDEM_{name}", value)
    settings = load()
    assert settings.home == tmp_path
    assert settings.ledger() == "postgresql+psycopg://me:pw@db/ledger"
    assert settings.emnify_url == "https://bics.test/emnify"
    assert settings.token() == SECRET
    assert (settings.capacity, settings.calls_window_s, settings.sim_concurrency) == (250, 60.0, 3)


def test_settings_are_read_when_made_and_not_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load().calls
    monkeypatch.setenv("SIMTANDEM_CALLS", "7")
    assert (before, load().calls) == (2000, 7)


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_CALLS", "7")
    assert load(calls=9).calls == 9


@pytest.mark.parametrize("name", ["CALLS", "EMNIFY_TOKEN", "HOME", "EMNIFY_URL", "LEDGER_URL"])
def test_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = load()
    monkeypatch.setenv(f"SIMTANDEM_{name}", "")
    assert load() == expected


def test_variables_nobody_knows_are_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_FROM_TOMORROW", "1")
    assert load().calls == 2000


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.calls = 1
    assert settings.runs_folder is settings.runs_folder


@pytest.mark.parametrize(
    ("calls", "reserve", "capacity"),
    [(2000, 0.05, 1900), (2000, 0.0, 2000), (1, 0.99, 1), (10, 0.7, 3), (100, 0.29, 71), (3, 0.5, 1)],
)
def test_capacity_is_the_limit_less_the_reserve_and_one_at_least(calls: int, reserve: float, capacity: int) -> None:
    assert load(calls=calls, calls_reserve=reserve).capacity == capacity


@pytest.mark.parametrize("home", ["~/fleet", "fleet", "./fleet/../fleet"])
def test_home_is_an_absolute_folder(home: str) -> None:
    assert load(home=home).home.is_absolute()
    assert "~" not in str(load(home=home).home)


# --- what can't be used


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALLS", "many"),
        ("CALLS", "0"),
        ("CALLS", "-5"),
        ("CALLS_WINDOW_S", "0"),
        ("CALLS_WINDOW_S", "nan"),
        ("CALLS_RESERVE", "1"),
        ("CALLS_RESERVE", "-0.1"),
        ("SIM_CONCURRENCY", "0"),
        ("SIM_CONCURRENCY", "65"),
        ("MAX_SUSPEND_SHARE", "30"),
        ("STOP_SHARE", "1.5"),
        ("STOP_AT_LEAST", "0"),
        ("MAX_NEWLY_BILLED", "-1"),
    ],
)
def test_value_that_cannot_be_used_is_an_input_error_that_names_the_variable_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SIMTANDEM_{name}", value)
    with pytest.raises(InputError, match=f"nothing was sent:\n  SIMTANDEM_{name}: ") as caught:
        load()
    assert value not in str(caught.value) or len(value) < 4  # a bound may stand there
    assert re.search(r": must be (a whole number|a number|at least|at most|more than|less than)", str(caught.value))
    assert caught.value.__cause__ is None


def test_all_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_CALLS", "many")
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", "ftp://files")
    with pytest.raises(InputError) as caught:
        load()
    assert "SIMTANDEM_CALLS" in str(caught.value)
    assert "SIMTANDEM_EMNIFY_URL" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "cdn.emnify.net",
        "ftp://cdn.emnify.net",
        "https://",
        "https:///api",
        f"https://{SECRET}@cdn.emnify.net",
        f"https://me:{SECRET}@cdn.emnify.net",
        f"https://:{SECRET}@cdn.emnify.net",
        f"https://cdn.emnify.net?token={SECRET}",
        f"https://cdn.emnify.net#{SECRET}",
        f"https://cdn.emnify.net:{SECRET}",
        "https://cdn.emnify.net:99999",
        f"https://[{SECRET}",
    ],
)
def test_address_that_is_none_or_holds_a_secret_is_refused_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", url)
    with pytest.raises(InputError, match=r"SIMTANDEM_EMNIFY_URL: must be an http\(s\) address") as caught:
        load()
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("url", "expected", "host"),
    [
        ("https://cdn.emnify.net/", "https://cdn.emnify.net", "cdn.emnify.net"),
        (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://bics.test/emnify//", "https://bics.test/emnify", "bics.test"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ("https://CDN.emnify.net.:443", "https://CDN.emnify.net.:443", "cdn.emnify.net"),
    ],
)
def test_address_of_any_host_with_or_without_a_path_will_do(url: str, expected: str, host: str) -> None:
    assert load(emnify_url=url).emnify_url == expected
    assert load(emnify_url=url).carrier_host == host


def test_missing_token_is_an_input_error_that_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"SIMTANDEM_EMNIFY_TOKEN is not set\. Nothing was sent"):
        load().token()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", SECRET)
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", f"postgresql+psycopg://me:{SECRET}@db/ledger")
    settings = load()
    shown = f"{settings} {settings!r} {settings.model_dump_json()} {settings.model_dump()}"
    assert SECRET not in shown
    assert settings.token() == SECRET


def test_settings_can_be_handed_to_another_process(tmp_path: Path) -> None:
    settings = load(home=tmp_path, emnify_token=SECRET)
    again = pickle.loads(pickle.dumps(settings))  # noqa: S301 - our own
    assert isinstance(again, Settings)
    assert (again.home, again.token()) == (tmp_path, SECRET)


# --- the environment


def test_prefect_server_is_the_one_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prefect_api_url() is None
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert prefect_api_url() is None
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.test/api")
    assert prefect_api_url() == "http://prefect.test/api"


def test_child_gets_our_environment_with_more_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_TEST_ONE", "ours")
    monkeypatch.setenv("SIMTANDEM_TEST_TWO", "ours")
    child = child_environment({"SIMTANDEM_TEST_TWO": "theirs"})
    assert (child["SIMTANDEM_TEST_ONE"], child["SIMTANDEM_TEST_TWO"]) == ("ours", "theirs")
    assert os.environ["SIMTANDEM_TEST_TWO"] == "ours"


def test_export_keeps_what_is_set_unless_told_to_overwrite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_TEST_ONE", "first")
    monkeypatch.setenv("SIMTANDEM_TEST_TWO", "first")
    monkeypatch.delenv("SIMTANDEM_TEST_TWO")
    export({"SIMTANDEM_TEST_ONE": "second", "SIMTANDEM_TEST_TWO": "second"})
    assert (os.environ["SIMTANDEM_TEST_ONE"], os.environ["SIMTANDEM_TEST_TWO"]) == ("first", "second")
    export({"SIMTANDEM_TEST_ONE": "third"}, overwrite=True)
    assert os.environ["SIMTANDEM_TEST_ONE"] == "third"


def test_a_terminal_asks_for_the_number_above_a_hundred_sims_unless_told() -> None:
    assert (load().confirm_newly_billed, load().max_newly_billed) == (100, None)


@pytest.mark.parametrize(
    "url", ["http://carrier.test", "http://10.0.0.1:8080", "http://localhost.evil.test", "http://127.0.0.1.evil.test"]
)
def test_a_token_is_sent_unencrypted_only_where_that_is_wanted(url: str) -> None:
    with pytest.raises(InputError, match="SIMTANDEM_ALLOW_HTTP=1") as refused:
        load(emnify_url=url, emnify_token=SECRET).token()
    assert SECRET not in str(refused.value)
    allowed = load(emnify_url=url, emnify_token=SECRET, allow_http=True)
    assert allowed.token() == SECRET
    assert "not encrypted" in allowed.warnings[0]


@pytest.mark.parametrize("url", ["https://carrier.test", "http://127.0.0.1:8080", "http://[::1]:9", "http://localhost"])
def test_where_nobody_is_on_the_way_nothing_needs_to_be_said(url: str) -> None:
    settings = load(emnify_url=url, emnify_token=SECRET)
    assert (settings.token(), settings.warnings) == (SECRET, [])


def test_a_childs_modules_come_from_folders_that_are_named_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty entry of PYTHONPATH means the folder where a process stands."""
    monkeypatch.setenv("PYTHONPATH", ":lib:/opt/lib:.")
    environment = child_environment({})
    assert (environment["PYTHONPATH"], environment["PYTHONSAFEPATH"]) == ("/opt/lib", "1")


def test_what_is_unwanted_is_kept_from_children_or_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_X", "1")
    assert "PREFECT_X" not in child_environment({}, lambda name: name == "PREFECT_X")
    assert child_environment({"PREFECT_X": "2"}, lambda name: name == "PREFECT_X")["PREFECT_X"] == "2"
    assert os.environ["PREFECT_X"] == "1"


def test_a_default_for_children_yields_to_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_X", "1")
    child = child_environment({}, None, {"PREFECT_X": "2", "PREFECT_Y": "3"})
    assert (child["PREFECT_X"], child["PREFECT_Y"]) == ("1", "3")
    assert forget(lambda name: name == "PREFECT_X") == ["PREFECT_X"]
    assert "PREFECT_X" not in os.environ


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("sqlite:///record.sqlite", "sqlite:///{here}/record.sqlite"),
        ("sqlite+pysqlite:///a/record.sqlite?timeout=5", "sqlite+pysqlite:///{here}/a/record.sqlite?timeout=5"),
        ("sqlite:///file:record.sqlite?uri=true", "sqlite:///file:{here}/record.sqlite?uri=true"),
        ("sqlite:////var/record.sqlite", "sqlite:////var/record.sqlite"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg://me:pw@db/ledger", "postgresql+psycopg://me:pw@db/ledger"),
    ],
)
def test_a_ledger_stays_where_it_was_named(
    url: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", url)
    assert load().ledger() == kept.format(here=tmp_path)


def test_relative_paths_mean_the_same_wherever_the_process_stands_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "SIMTANDEM_HOME": "home",
        "SIMTANDEM_INBOX": "inbox",
        "SIMTANDEM_LEDGER_URL": "sqlite:///record.sqlite",
        "SIMTANDEM_LIST_FOLDERS": "lists:/srv/lists",
        "SSL_CERT_FILE": "ca.pem",
        "AWS_CONFIG_FILE": "~/aws",
    }.items():
        monkeypatch.setenv(name, value)
    before = load()
    pin_paths(before)
    monkeypatch.chdir(tmp_path / "elsewhere")
    after = load()
    assert [after.home, after.inbox_url, after.ledger()] == [before.home, before.inbox_url, before.ledger()]
    assert after.list_roots == (tmp_path / "lists", Path("/srv/lists"))
    assert (os.environ["SSL_CERT_FILE"], os.environ["AWS_CONFIG_FILE"]) == (str(tmp_path / "ca.pem"), "~/aws")


def test_what_is_not_set_stays_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    before = dict(os.environ)
    pin_paths(load())
    assert dict(os.environ) == before


def test_no_file_supplies_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SIMTANDEM_EMNIFY_URL=https://evil.test\nSIMTANDEM_EMNIFY_TOKEN=theirs\n")
    assert (load().emnify_url, load().emnify_token) == ("https://cdn.emnify.net", None)


@pytest.mark.parametrize(
    "address",
    ["s3://ada:secret@bucket/folder", "s3://bucket/folder?key=secret", "zip://x::s3://bucket/a", "s3://[secret"],
)
def test_an_address_of_the_store_with_a_credential_is_refused_and_never_shown(address: str) -> None:
    with pytest.raises(InputError, match="SIMTANDEM_STORE: must be a folder or an address such as s3://") as refused:
        load(store=address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("address", "why"), [("kept", "in full"), ("../kept", "in full"), ("memory://x", "in memory")])
def test_a_store_that_others_would_not_find_is_refused(address: str, why: str) -> None:
    with pytest.raises(InputError, match=f"SIMTANDEM_STORE: .*{why}"):
        load(store=address)


def test_a_store_is_a_folder_in_full_or_an_address(tmp_path: Path) -> None:
    assert load(store=f"{tmp_path}/kept").store == str(tmp_path / "kept")
    assert load(store="s3://bucket/folder/").store == "s3://bucket/folder"
    assert load().store is None

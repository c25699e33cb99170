"""`simtandem doctor`: every point with what was found, what to do, and a token tried no more often than it may be."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simtandem.carriers import server_clock
from simtandem.cli.doctor import show_checks
from simtandem.emulator.server import Emulator
from simtandem.ledger import store_mark
from simtandem.ledger.object_store import ObjectStore
from simtandem.ledger.store import Ledger
from simtandem.settings import load_home

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
    first = ["versions", "settings", "disk", "ledger", "Prefect"]
    assert list(found) == [*first, "account eu", "rate limit of eu", "clock of eu"]
    assert "within a minute" in found["clock of eu"]["found"]
    assert "3 SIMs, 0 of them charged; limit 1,900 calls in 300 s" in found["account eu"]["found"]
    assert str(home / "settings.toml") in found["settings"]["found"]
    assert "no runs yet" in found["ledger"]["found"]
    assert found["rate limit of eu"]["found"].startswith("1,89")
    assert "of 1,900 calls in 300 s left" in found["rate limit of eu"]["found"]


def test_it_leaves_no_run_behind_and_its_calls_count(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert home
    first = told(capsys, 0)
    again = told(capsys, 0)
    assert first["account eu"]["found"] == again["account eu"]["found"]
    assert "no runs yet" in again["ledger"]["found"]
    with Ledger.open(load_home().ledger()) as ledger:
        assert ledger.runs() == []
        entry = ledger.entry()
        assert entry
        assert entry.kind == "ledger", "that it began is all that it has on record"
    assert list((home / "runs").glob("*")) == []
    left = [int(each["rate limit of eu"]["found"].split()[0].replace(",", "")) for each in (first, again)]
    assert left[1] < left[0] < 1_900


def test_a_token_that_is_refused_leaves_no_run_behind_either(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    monkeypatch.setenv("EU_TOKEN", "wrong-token-of-the-doctor")
    assert told(capsys, 1)["account eu"]["remedy"]
    with Ledger.open(load_home().ledger()) as ledger:
        assert ledger.runs() == []


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


def test_an_account_of_aeris_is_asked_for_what_aeris_needs(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AER_KEY", "hush-of-aeris")
    file = home / "settings.toml"
    aer = '[accounts.aer]\ncarrier = "aeradmin"\ntoken = "env:AER_KEY"\naeradmin_email = "a@b.example"\n'
    file.write_text(file.read_text() + aer)
    lacking = told(capsys, 1, offline=True)["account aer"]
    assert "Not set: SIMTANDEM_AERADMIN_ACCOUNT_ID" in lacking["found"]
    file.write_text(file.read_text() + 'aeradmin_account_id = "7"\n')
    assert "aeradmin at aeradminapi.aeris.com; not called" in told(capsys, 0, offline=True)["account aer"]["found"]


def test_an_account_whose_key_no_call_checks_is_not_told_as_in_order(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AER_KEY", "hush-of-aeris")
    monkeypatch.setenv("SIMTANDEM_ACCOUNT", "aer")
    aer = '[accounts.aer]\ncarrier = "aeradmin"\ntoken = "env:AER_KEY"\naeradmin_email = "a@b.example"\n'
    (home / "settings.toml").write_text(aer + 'aeradmin_account_id = "7"\n')
    check = told(capsys, 0)["account aer"]
    assert (check["unchecked"], "its key is not checked" in check["found"]) == (True, True)
    assert "simtandem plan FILE --account aer" in check["found"]
    show_checks(offline=False, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("?") and "account aer" in line]


@pytest.mark.parametrize(("ahead", "said"), [(-90.0, "90 s behind"), (3600.0, "3,600 s ahead of"), (None, "")])
def test_a_clock_that_differs_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ahead: float | None, said: str
) -> None:
    assert home
    monkeypatch.setattr(server_clock, "ahead_s", lambda _url: ahead)
    found = told(capsys, int(bool(said)))["clock of eu"]
    assert (said in found["found"], bool(found["remedy"])) == (True, bool(said))


def test_a_prefect_server_that_does_not_answer_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = told(capsys, 1, offline=True)["Prefect"]
    assert found["found"] == "http://127.0.0.1:9/api does not answer"
    assert "PREFECT_API_URL" in found["remedy"]


def test_a_store_is_tried_and_one_that_is_not_mounted_is_told_and_not_made(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = home / "mnt" / "store"
    monkeypatch.setenv("SIMTANDEM_STORE", str(store))
    assert "could be put there, read and removed" in told(capsys, 0, offline=True)["store"]["found"]
    assert not store.parent.exists(), "the first run makes it"
    with Ledger.open(load_home().ledger()) as ledger:
        store_mark.require_marked(ledger.database, ObjectStore(str(store)))
    assert told(capsys, 0, offline=True)["store"]["remedy"] == ""
    shutil.rmtree(store.parent)
    found = told(capsys, 1, offline=True)["store"]
    assert "is not mounted, or was emptied" in found["found"]
    assert "Mount it on this host" in found["remedy"]
    assert not store.parent.exists()


def test_a_store_without_room_or_that_only_can_be_read_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_STORE", str(home / "store"))
    for number in (errno.ENOSPC, errno.EROFS):
        monkeypatch.setattr(shutil, "copyfileobj", partial(_refused, number))
        found = told(capsys, 1, offline=True)["store"]
        assert os.strerror(number) in found["found"]
        assert "the room there" in found["remedy"]


def _refused(number: int, *_: object) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(("share", "code"), [("", 1), ("calls = 1000\n", 0)])
def test_accounts_that_have_more_calls_together_than_their_address_are_told(
    home: Path, carrier: Emulator, capsys: pytest.CaptureFixture[str], share: str, code: int
) -> None:
    section = f'[accounts.{{name}}]\nurl = "{carrier.url}"\ntoken = "env:{{token}}"\n{share}'
    sections = [section.format(name=name, token=f"{name.upper()}_TOKEN") for name in ("eu", "us")]
    (home / "settings.toml").write_text("".join(sections))
    found = told(capsys, code, offline=True).get("rate limit of eu, us", {"found": "", "remedy": ""})
    assert ("4,000 in a window" in found["found"], "calls = …" in found["remedy"]) == (code == 1, code == 1)

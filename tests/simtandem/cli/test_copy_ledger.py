from collections.abc import Callable
from pathlib import Path

import pytest

from simtandem.cli.copy_ledger import copy_ledger
from simtandem.cli.doctor import show_checks
from simtandem.cli.runs import show_runs
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import a_run, new_schema, postgres_server

__all__ = ["a_run", "new_schema", "postgres_server"]


def test_the_ledger_of_the_home_goes_where_the_settings_say(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    new_schema: Callable[[], str],
    a_run: Callable[[], object],
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    with pytest.raises(InputError, match="There is no ledger"):
        copy_ledger()
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        ledger.start_run(a_run())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="does not name another ledger"):
        copy_ledger()
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", new_schema())
    copy_ledger()
    assert capsys.readouterr().out.startswith("Copied 1 run (")


def test_a_database_that_doctor_looked_at_is_still_empty(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    new_schema: Callable[[], str],
    a_run: Callable[[], object],
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    monkeypatch.setenv("SIMTANDEM_STORE", str(tmp_path / "store"))
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        ledger.start_run(a_run())  # type: ignore[arg-type]
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", new_schema())
    with Emulator(3) as carrier:
        monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
        monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", carrier.token)
        assert show_checks(offline=False, as_json=True) == 0
        assert carrier.stats()["calls"] > 0
    capsys.readouterr()
    show_runs(limit=20, as_json=False)
    assert "No runs yet" in "".join(capsys.readouterr())
    copy_ledger()
    assert capsys.readouterr().out.startswith("Copied 1 run (")

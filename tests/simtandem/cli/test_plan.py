from pathlib import Path

import pytest

from schemas.parameters import BulkUpdate, Mode
from simtandem.cli.console import Output
from simtandem.cli.plan import look
from simtandem.errors import InputError


def test_a_file_that_is_not_there_is_named_as_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    missing = tmp_path / "lists" / "depot.csv"
    with pytest.raises(InputError, match=f"^{missing}: there is no such file"):
        look("plan", BulkUpdate(file=str(missing), mode=Mode.PLAN), Output(quiet=True))
    assert capsys.readouterr().out == ""

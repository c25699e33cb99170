import json
from pathlib import Path

import pytest

from simtandem.cli import people as command
from simtandem.errors import InputError
from simtandem.prefect_server.people import People


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    return People(tmp_path / "prefect")


def test_a_credential_is_shown_once_and_people_are_listed_and_removed(
    known: People, capsys: pytest.CaptureFixture[str]
) -> None:
    command.people_add("ada")
    credential = capsys.readouterr().out.splitlines()[0]
    assert known.who(credential) == "ada"
    command.people_list(as_json=True)
    assert json.loads(capsys.readouterr().out) == {"people": ["ada"]}
    command.people_list()
    assert capsys.readouterr().out == "ada\n"
    command.people_remove("ada")
    assert known.who(credential) == ""
    with pytest.raises(InputError):
        command.people_remove("ada")

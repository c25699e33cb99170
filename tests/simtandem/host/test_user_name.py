import os
import pwd

import pytest

from simtandem.host.user_name import user_name


def test_a_user_is_called_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")

    assert user_name() == "ada"


def test_a_user_id_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    unnamed = next(number for number in range(61_000, 62_000) if number not in {each.pw_uid for each in pwd.getpwall()})
    monkeypatch.setattr(os, "getuid", lambda: unnamed)

    assert user_name() == str(unnamed)

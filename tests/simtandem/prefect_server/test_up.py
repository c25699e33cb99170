"""Who may listen where, and who is shown a link; the whole is shown in the tests of the operation."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from simtandem.errors import InputError
from simtandem.prefect_server import up


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])  # noqa: S104 - that is the point
def test_an_address_that_others_reach_needs_a_credential_of_the_operators(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    with pytest.raises(InputError, match="Nothing was started"):
        up._refuse_an_open_door(host)
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "ops:correct-horse-99")
    up._refuse_an_open_door(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    up._refuse_an_open_door(host)


def test_a_log_is_shown_no_link(tmp_path: Path) -> None:
    log = io.StringIO()
    up._let_in(tmp_path, Console(file=log, force_terminal=False))
    assert "`simtandem ui`" in log.getvalue()
    assert "#" not in log.getvalue()

import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from simtandem.errors import InputError, OrchestrationError
from simtandem.prefect_server.credential import kept_credential, make_credential, own_credential
from simtandem.prefect_server.embedded_server import EmbeddedServer


def test_a_credential_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    assert kept_credential(tmp_path) == ""
    made = make_credential(tmp_path)
    assert len(made) > 40
    assert make_credential(tmp_path) == kept_credential(tmp_path) == made
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    (tmp_path / "other").mkdir()
    assert make_credential(tmp_path / "other") != made


def test_a_file_that_was_left_empty_is_no_credential(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("\n")
    assert len(make_credential(tmp_path)) > 40


@pytest.mark.parametrize(
    "weak",
    [
        "admin:pass",
        "a" * 40,
        "admin:admin:admin",
        "user:1234567890",
        "simtandem-operation-service:x",
        "a-long-user-name:correct-horse-9",
        ":only-the-password-is-long-enough",
        "correct-horse-battery-staple-9",
        "ops:",
        "user:" + "ab" * 20,
    ],
)
def test_a_weak_one_of_the_operators_is_refused_without_being_shown(weak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", weak)
    with pytest.raises(InputError, match="too weak") as refused:
        own_credential()
    assert weak not in str(refused.value)


def test_a_strong_one_of_the_operators_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "ops:correct-horse-99")
    assert own_credential() == "ops:correct-horse-99"
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING")
    assert own_credential() == ""


async def test_a_port_that_was_lost_to_another_program_costs_the_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")  # a server that dies at once
    server = EmbeddedServer(tmp_path)
    await server.attach()
    before = kept_credential(tmp_path)
    assert before
    assert server.child is not None
    server.child.wait(30)
    with (
        socket.create_server(("127.0.0.1", urlsplit(server.url).port or 0)),
        pytest.raises(OrchestrationError, match="can't have port"),
    ):
        await server.again()
    server.let_go()
    assert kept_credential(tmp_path) == ""
    assert make_credential(tmp_path) != before


async def test_a_port_that_was_never_had_costs_nothing(tmp_path: Path) -> None:
    before = make_credential(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as program:
        server = EmbeddedServer(tmp_path, port=program.getsockname()[1])
        with pytest.raises(OrchestrationError, match="can't have port"):
            await server.attach()
    server.let_go()
    assert kept_credential(tmp_path) == before

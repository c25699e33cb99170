"""Homes of one host that share a rate limit by their ledger: no other home is told of, by whatever address it is."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from simtandem import progress
from simtandem.carriers.emnify import client
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from simtandem.runs.run import recorded_carrier
from simtandem.settings import Settings
from tests.simtandem.ledger.conftest import a_run, new_schema, postgres_server

__all__ = ["a_run", "new_schema", "postgres_server"]


class Told(progress.ProgressHooks):
    """Keeps what an operator is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: list[str] = []

    def message(self, sentence: str) -> None:
        self.sentences.append(sentence)


def by_another_address(ledger_url: str) -> str:
    url = make_url(ledger_url)
    other = "localhost" if url.host == "127.0.0.1" else socket.gethostbyname(str(url.host))
    return url.set(host=other).render_as_string(hide_password=False)


@pytest.mark.parametrize("one_ledger", [True, False])
async def test_only_a_home_of_another_ledger_is_told_of(
    tmp_path: Path,
    carrier: Emulator,
    new_schema: Callable[[], str],
    a_run: Callable[..., RunRecord],
    monkeypatch: pytest.MonkeyPatch,
    one_ledger: bool,
) -> None:
    told, first = Told(), new_schema()
    monkeypatch.setattr(client, "shared_folder", lambda: tmp_path / "notes")
    progress.install(told)
    for name, url in (("one", first), ("other", by_another_address(first) if one_ledger else new_schema())):
        values = {"home": tmp_path / name, "ledger_url": url, "emnify_url": carrier.url, "emnify_token": carrier.token}
        settings = Settings(**values)  # type: ignore[arg-type]  # pydantic checks them
        settings.home.mkdir()
        with Ledger.open(settings.ledger()) as ledger:
            ledger.start_run(a_run(f"run-{name}"))
            async with recorded_carrier(settings, ledger, f"run-{name}") as (emnify, _):
                await emnify.count_fleet()
    assert [each for each in told.sentences if each.startswith("Another home")] == told.sentences
    assert len(told.sentences) == (0 if one_ledger else 1)

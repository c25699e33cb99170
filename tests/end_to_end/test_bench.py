"""The measurements still run: a little of each that needs no server of Prefect's, and of some that do."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from bench.postgres import fresh_schema
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import postgres_server

__all__ = ["postgres_server"]

ROOT = Path(__file__).resolve().parents[2]


def test_measurements_end_with_every_device_where_it_should_be() -> None:
    names = ("intake", "planning", "listing", "audit")
    shown = measured(*names)
    for name in names:
        assert f"python -m bench {name}" in shown


def test_where_the_time_of_a_call_goes_is_measured() -> None:
    shown = measured("profile")
    assert "| is recorded before it is sent |" in shown
    assert "| **together** |" in shown
    assert "| · httpx |" in shown
    assert "60 SIMs activated" in shown


def test_what_two_hosts_share_is_measured(postgres_server: str) -> None:
    shown = measured("hosts", SIMTANDEM_TEST_POSTGRES_URL=postgres_server)
    assert "| calls answered 429 | 0 | 0 |" in shown
    assert "60 devices activated" in shown


def test_the_place_of_a_ledger_is_gone_afterwards(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_TEST_POSTGRES_URL", postgres_server)
    with fresh_schema() as url:
        Ledger.open(url).close()
    _, _, schema = url.partition("search_path%3D")
    with psycopg.connect(postgres_server.replace("+psycopg", "", 1)) as server:
        named = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
        assert server.execute(named, [schema]).fetchone() == (0,)
        assert schema.startswith("bench_")


def measured(*names: str, **variables: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SIMTANDEM_", "PREFECT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--small", *names],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

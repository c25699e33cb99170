"""Two hosts under fire, in short; `make soak HOSTS=1` goes on for as long as you like."""

from pathlib import Path

import polars as pl
import pytest

from tests.simtandem.ledger.conftest import postgres_server
from tests.stateful.hosts_under_fire import Fire, Round, play

__all__ = ["postgres_server"]


def test_two_hosts_of_one_ledger_keep_every_promise_under_fire(tmp_path: Path, postgres_server: str) -> None:
    fire = Fire(devices=12, calls=60, window_s=5.0, faults=3, away_s=2.0, outage_s=4.0, frozen_s=2.0, targets=1)
    play(1, tmp_path, postgres_server, fire)


def test_a_round_that_fails_keeps_the_calls_of_its_runs(
    tmp_path: Path, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_round: Round) -> None:
        raise AssertionError("as asked")

    monkeypatch.setattr(Round, "_look", fails)
    fire = Fire(devices=6, calls=60, window_s=5.0, faults=1, away_s=0.5, outage_s=0.5, frozen_s=0.5, targets=1)
    with pytest.raises(AssertionError, match="as asked"):
        play(1, tmp_path, postgres_server, fire)
    calls = pl.concat(pl.read_csv(each, infer_schema=False) for each in tmp_path.glob("calls-*.csv"))
    paths = set(calls.filter(purpose="change")["path"].str.replace(r"\d+$", "N"))
    assert "/api/v1/sim/N" in paths
    assert calls["call_id"].is_unique().all()

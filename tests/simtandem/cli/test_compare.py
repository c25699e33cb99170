import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from schemas.tables import Results, empty
from simtandem.cli.compare import show_differences
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunRecord
from simtandem.ledger.store import Ledger


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs one and two with a device each that ended differently, and plan, which judged none."""
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite")) as opened:
        for run_id, verdict in (("one", "in_sync"), ("two", "failed"), ("plan", None)):
            kind = RunKind.APPLY if verdict else RunKind.PLAN
            opened.start_run(
                RunRecord(run_id, kind, "emnify", "host", f"[b]{run_id}.csv", "", 1, 0, {}, "ada", "here", 1, _WHEN)
            )
            if verdict:
                opened.record_verdicts(run_id, _results(verdict))
    return tmp_path


_WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def _results(verdict: str) -> pl.DataFrame:
    words = dict.fromkeys(("before", "after", "reason", "error"), "")
    line = {"row": 2, "sim_id": "11", "desired": "activated", "verdict": verdict, "attempts": 1, **words}
    return pl.DataFrame([line], schema=empty(Results).schema)


def test_counts_and_devices_stand_in_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_differences("one", "tw", as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["first"], told["second"], told["exit_code"]) == ("one", "two", 1)
    assert told["counts"]["verdict_differs"] == 1
    assert [(line["sim_id"], line["verdict_first"], line["verdict_second"]) for line in told["devices"]] == [
        ("11", "in_sync", "failed")
    ]


def test_a_person_reads_the_counts_before_the_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_differences("one", "two", as_json=False) == 1
    out = capsys.readouterr().out
    assert out.index("[b]one.csv") < out.index("verdict differs") < out.index("11 ")


def test_a_run_does_not_differ_from_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_differences("one", "one", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["devices"] == []


def test_a_run_that_judged_nothing_can_not_be_compared() -> None:
    with pytest.raises(InputError, match="has no verdicts"):
        show_differences("one", "plan", as_json=True)

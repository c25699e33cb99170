import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from schemas.statuses import Half, Outcome
from simtandem.cli.prune import prune_before
from simtandem.errors import InputError
from simtandem.ledger.records import OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger

_WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Two runs that ended on 1 March."""
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite", clock=lambda: _WHEN)) as opened:
        for run_id in ("one", "two"):
            opened.start_run(
                RunRecord(run_id, RunKind.APPLY, "emnify", "h", "f.csv", "", 1, 0, {}, "ada", "h", 1, _WHEN)
            )
            opened.record_outcomes(run_id, [OutcomeRecord(2, half, Outcome.APPLIED, 1) for half in Half])
            opened.record_state(run_id, RunState.FINISHED, {}, sealed=True)
        yield opened


def test_without_yes_it_is_only_told_what_would_go(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune_before("2026-03-02", yes=False, as_json=False) == 0
    out = capsys.readouterr().out
    assert str(tmp_path / "archive" / "one.jsonl.gz") in out
    assert "Would archive and prune 2 runs with 4 facts. Nothing was done: add --yes to do it." in out
    assert ledger.outcomes("one").height == 2
    assert not (tmp_path / "archive").exists()


def test_with_yes_details_go_and_what_runs_shows_stays(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ledger.runs()
    assert prune_before("2026-03-02", yes=True, as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["before"] == "2026-03-02T00:00:00+00:00"
    assert [(each["run_id"], each["facts"], each["pruned"]) for each in document["runs"]] == [
        ("one", 2, True),
        ("two", 2, True),
    ]
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == ["one.jsonl.gz", "two.jsonl.gz"]
    assert ledger.runs() == before
    with pytest.raises(InputError, match="was pruned on 2026-"):
        ledger.outcomes("one")
    assert prune_before("2026-03-02", yes=True, as_json=False) == 0
    assert "No run ended before that date and still has its details." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("date", "count"), [("2026-03-01", 0), ("2026-03-01T14:00:00+01:00", 2), ("2026-03-01T12:00", 0)]
)
def test_the_date_is_utc_unless_it_says_otherwise(
    ledger: Ledger, capsys: pytest.CaptureFixture[str], date: str, count: int
) -> None:
    prune_before(date, yes=False, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["runs"]) == count


def test_a_date_that_is_none_is_refused(ledger: Ledger) -> None:
    with pytest.raises(
        InputError, match=r"--before yesterday: not a date\. Write it as 2026-01-31\. Nothing was pruned"
    ):
        prune_before("yesterday", yes=True, as_json=False)


def test_a_run_whose_record_was_changed_is_left_alone_and_the_others_go(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE outcomes SET outcome = 'failed' WHERE run_id = 'one'"))
    assert prune_before("2026-03-02", yes=True, as_json=False) == 1
    out = capsys.readouterr().out
    assert "one: The record of run one is not as it was written (outcome 1 (row 2 sim) was changed)" in " ".join(
        out.split()
    )
    assert "Archived and pruned 1 run with 2 facts; their heads, states and counts are kept." in out
    assert ledger.outcomes("one").height == 2
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["two.jsonl.gz"]

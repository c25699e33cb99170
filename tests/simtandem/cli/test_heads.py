"""The ledger's heads as an operator meets them: printed, kept, and compared with."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from schemas.tables import Rejected, empty
from simtandem.cli.heads import show_heads
from simtandem.cli.verify import show_proof
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.schedule_records import SCHEDULE_ROWS, Arrival, FileVersion, NewSchedule
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger

_WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def tamper(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as database:
        database.execute(statement)


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger of this home with the runs one-a, one-b and one-c."""
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite", heads_file=tmp_path / "ledger.heads")) as opened:
        for run_id in ("one-a", "one-b", "one-c"):
            opened.start_run(
                RunRecord(run_id, RunKind.APPLY, "emnify", "h", "f.csv", "", 1, 0, {}, "ada", "h", 1, _WHEN)
            )
            opened.record_state(run_id, RunState.FINISHED, {}, sealed=True)
        yield opened


def delete_newest(tmp_path: Path) -> None:
    for table in ("links", "run_states", "runs"):
        tamper(tmp_path, f"DELETE FROM {table} WHERE run_id = 'one-c'")  # noqa: S608 - our own names
    tamper(tmp_path, "DELETE FROM heads WHERE id = 'one-c'")


def test_the_newest_run_deleted_with_its_heads_is_found_by_what_the_home_remembers(
    remembered: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_proof(None, None, as_json=False) == 0
    assert f"  6 kept in {tmp_path}/ledger.heads are among them\n" in capsys.readouterr().out
    delete_newest(tmp_path)
    assert show_proof(None, None, as_json=False) == 1
    out = capsys.readouterr().out
    gone = "the ledger's heads: entry 7 of the ledger's heads is missing"
    assert f"{gone}: {tmp_path}/ledger.heads remembers it (run one-c)" in out
    assert ": a chain of 5 heads, BROKEN; newest " in out
    assert show_proof("one-c", None, as_json=False) == 1
    assert "one-c  BROKEN" in capsys.readouterr().out


def test_without_that_file_only_heads_that_were_kept_elsewhere_tell_of_it(
    remembered: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    show_heads(newest=True)
    kept = tmp_path / "kept.jsonl"
    kept.write_text(capsys.readouterr().out)
    assert show_proof(None, None, as_json=False, against=kept) == 0
    delete_newest(tmp_path)
    (tmp_path / "ledger.heads").unlink()
    assert show_proof(None, None, as_json=False) == 0
    assert show_proof(None, None, as_json=False, against=kept) == 1
    assert f"{kept} remembers it (run one-c)" in capsys.readouterr().out


def test_the_heads_are_printed_as_lines_of_json(
    remembered: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    show_heads(newest=False)
    printed = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["seq"] for each in printed] == [1, 2, 3, 4, 5, 6, 7]
    assert [each["previous"] for each in printed] == ["", *(each["hash"] for each in printed[:-1])]


def test_a_ledger_that_was_replaced_is_told_once_and_a_ledger_elsewhere_is_none_of_it(
    remembered: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", f"sqlite:///{tmp_path}/other.sqlite")
    assert show_proof(None, None, as_json=False) == 0
    monkeypatch.delenv("SIMTANDEM_LEDGER_URL")
    entry = remembered.entry()
    assert entry is not None
    remembered.close()
    for each in tmp_path.glob("ledger.sqlite*"):
        each.unlink()
    capsys.readouterr()
    assert show_proof(None, None, as_json=False) == 1
    out = capsys.readouterr().out
    assert out.count("is not this one") == 1
    assert f"the ledger's heads: ledger {entry.ledger} is not this one" in out
    (tmp_path / "ledger.heads").rename(tmp_path / "ledger.heads.before")
    assert show_proof(None, None, as_json=False) == 0


def test_a_file_without_any_head_is_no_witness(remembered: Ledger, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("nothing to see\n")
    with pytest.raises(InputError, match="no head of a ledger in it"):
        show_proof(None, None, as_json=False, against=tmp_path / "log")
    with pytest.raises(InputError, match="can't be read"):
        show_proof(None, None, as_json=False, against=tmp_path / "nowhere")


def test_a_schedule_that_was_changed_is_found(
    remembered: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pl.DataFrame([(2, "1", None, None, "activated", None, None)], SCHEDULE_ROWS, orient="row")
    file = FileVersion("/inbox", "a.csv", 10, "1.000", "e3b0")
    new = NewSchedule("20261204.1", _WHEN, rows)
    assert Schedules(remembered).record(Arrival("20261204", file, _WHEN, "a.csv", 1, 0), [new], empty(Rejected))
    assert show_proof(None, None, as_json=False) == 0
    assert "1 arrival and the schedules of it: intact\n" in capsys.readouterr().out
    tamper(tmp_path, "UPDATE schedule_rows SET desired = 'suspended'")
    assert show_proof(None, None, as_json=False) == 1
    out = capsys.readouterr().out
    assert "20261204  BROKEN: 4 facts in its chain" in out
    assert "  schedule row 20261204.1 2 was changed\n" in out
    assert "1 arrival and the schedules of it: 1 BROKEN, 0 intact\n" in out
    assert show_proof(None, None, as_json=True) == 1
    (told,) = json.loads(capsys.readouterr().out)["arrivals"]
    assert (told["arrival_id"], told["standing"], told["facts"]) == ("20261204", "broken", 4)

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.parameters import BulkUpdate
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus
from simtandem.cli.console import Output
from simtandem.cli.plan import look
from simtandem.cli.runs import show_runs
from simtandem.cli.verify import show_proof
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.records import OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger

_WHEN = datetime(2026, 3, 1, tzinfo=UTC)
NOWHERE = "0" * 64


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Two runs that ended, one-a and one-b."""
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite")) as opened:
        for run_id in ("one-a", "one-b"):
            opened.start_run(
                RunRecord(run_id, RunKind.APPLY, "emnify", "h", "f.csv", "", 1, 0, {}, "ada", "h", 1, _WHEN)
            )
            opened.record_outcomes(run_id, [OutcomeRecord(2, half, Outcome.APPLIED, 1) for half in Half])
            opened.record_state(run_id, RunState.FINISHED, {}, sealed=True)
        yield opened


def tamper(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as database:
        database.execute(statement)


def told(capsys: pytest.CaptureFixture[str], run: str | None = None, head: str | None = None) -> dict[str, object]:
    capsys.readouterr()
    exit_code = show_proof(run, head, as_json=True)
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == exit_code
    return document


def keep(tmp_path: Path, document: str | None = None, report: str | None = None) -> None:
    """What a run leaves in its folder."""
    folder = tmp_path / "runs" / "one-a"
    (folder / "work").mkdir(parents=True, exist_ok=True)
    if document is not None:
        (folder / "work" / "document.json").write_text(json.dumps({"ledger_head": document}))
    if report is not None:
        (folder / "report.html").write_text(f'<p><code id="ledger-head">{report}</code>')


def test_all_runs_are_verified_where_none_is_named(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_proof(None, None, as_json=False) == 0
    first, second, sum_up, heads, none_kept = capsys.readouterr().out.splitlines()
    assert first == f"one-a  intact: 4 facts in its chain, head {ledger.heads(['one-a'])['one-a']}"
    assert second.startswith("one-b  intact")
    assert sum_up == "2 runs: 2 intact"
    newest = ledger.entry()
    assert newest is not None
    assert heads == f"Ledger {newest.ledger}: a chain of 5 heads, intact; newest {newest.hash}"
    assert none_kept == "  nothing outside the ledger remembers one of them: see --against"


def test_a_changed_fact_is_named_and_the_exit_code_is_1(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(tmp_path, "UPDATE outcomes SET outcome = 'failed' WHERE run_id = 'one-b' AND half = 'sim'")
    assert show_proof(None, None, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("one-b  BROKEN: 4 facts")
    assert lines[2] == "  outcome 3 (row 2 sim) was changed"
    assert lines[3] == "2 runs: 1 intact, 1 broken"
    assert show_proof("one-a", None, as_json=False) == 0


def test_the_document_tells_the_same(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(tmp_path, "UPDATE outcomes SET outcome = 'failed' WHERE run_id = 'one-a' AND half = 'sim'")
    document = told(capsys, "one-a")
    head = ledger.heads(["one-a"])["one-a"]
    assert document == {
        "exit_code": 1,
        "runs": [
            {
                "run_id": "one-a",
                "standing": "broken",
                "facts": 4,
                "counts": {"run": 1, "state": 1, "outcome": 2},
                "uncovered": 0,
                "head": head,
                "findings": [
                    {
                        "kind": "outcome",
                        "ref": "1 2 sim",
                        "problem": "was changed",
                        "text": "outcome 1 (row 2 sim) was changed",
                    }
                ],
                "more": 0,
                "confirmed_by": [
                    {
                        "source": "the run's last state",
                        "head": ledger.states("one-a")[-1].detail["chain"]["head"],  # type: ignore[index]
                        "facts_since": 1,
                    },
                    {"source": "entry 3 of the ledger's heads", "head": head, "facts_since": 0},
                ],
                "notes": ["nothing outside the ledger remembers its head: see --head"],
            }
        ],
        "arrivals": [],
        "strays": [],
        "stored_files": "",
        "heads": None,
    }


def test_more_findings_than_fit_are_counted(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [OutcomeRecord(row, Half.SIM, Outcome.APPLIED, 1) for row in range(3, 33)]
    ledger.record_outcomes("one-a", many)
    tamper(tmp_path, "UPDATE outcomes SET error = 'x' WHERE run_id = 'one-a' AND row > 2")
    show_proof("one-a", None, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[20:22] == ["  outcome 24 (row 22 sim) was changed", "  … and 10 more"]


@pytest.mark.parametrize("kind", ["document", "report"])
def test_the_run_s_files_witness_its_head(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    name = {"document": "the run's document.json", "report": "the run's report.html"}[kind]
    keep(tmp_path, **{kind: ledger.heads(["one-a"])["one-a"]})
    assert show_proof("one-a", None, as_json=False) == 0
    assert f"  the head in {name} is in the chain\n" in capsys.readouterr().out
    assert show_proof(None, None, as_json=False) == 0
    keep(tmp_path, **{kind: NOWHERE})
    assert show_proof("one-a", None, as_json=False) == 1
    assert f"  the head in {name} is not in the chain: facts were taken from its end" in capsys.readouterr().out


def test_a_document_that_can_not_be_read_or_is_older_than_chains(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path, document="x")
    kept = tmp_path / "runs" / "one-a" / "work" / "document.json"
    kept.write_text("{")
    assert told(capsys, "one-a")["exit_code"] == 1
    kept.write_text('{"exit_code": 0}')
    assert told(capsys, "one-a")["exit_code"] == 0


def test_a_head_that_was_kept_is_looked_for(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    head = ledger.heads(["one-a"])["one-a"]
    ledger.record_outcomes("one-a", [OutcomeRecord(3, Half.SIM, Outcome.APPLIED, 1)])
    assert show_proof("one-a", f" {head.upper()}\n", as_json=False) == 0
    assert "  the head in the argument --head is in the chain; recorded after it: 1 fact\n" in capsys.readouterr().out
    assert show_proof("one-a", NOWHERE, as_json=False) == 1
    with pytest.raises(InputError, match="name the run as well"):
        show_proof(None, head, as_json=False)
    with pytest.raises(InputError, match=r"--head abc: not a head\. It has 64 digits"):
        show_proof("one-a", "abc", as_json=False)


def test_a_run_is_found_by_the_beginning_of_its_id_even_where_its_header_is_gone(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(tmp_path, "DELETE FROM runs WHERE run_id = 'one-a'")
    assert show_proof("one-a", None, as_json=False) == 1
    assert "  the run's header is missing\n" in capsys.readouterr().out
    with pytest.raises(InputError, match="More than one run begins with 'one': one-a, one-b"):
        show_proof("one", None, as_json=False)
    with pytest.raises(InputError, match="There is no run 'two'"):
        show_proof("two", None, as_json=False)


def test_answers_to_nothing_are_told(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(tmp_path, "INSERT INTO answers VALUES ('x', '', 204, 0.1, NULL, '', '')")
    assert show_proof(None, None, as_json=False) == 1
    assert "outside the runs: the answer to call x\n" in capsys.readouterr().out
    assert show_proof("one-a", None, as_json=False) == 0


def test_a_run_that_is_gone_from_the_ledger_is_told_by_its_files(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path, document=ledger.heads(["one-a"])["one-a"])
    for table in ("links", "outcomes", "run_states", "runs"):
        tamper(tmp_path, f"DELETE FROM {table} WHERE run_id = 'one-a'")  # noqa: S608 - our own names
    assert show_proof(None, None, as_json=False) == 1
    files = tmp_path / "runs" / "one-a"
    assert f"outside the runs: the files in {files}: the ledger has no such run\n" in capsys.readouterr().out


def test_a_pruned_run_s_archive_is_looked_at(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prune_run(ledger, "one-a", tmp_path / "archive", "ada")
    archive = tmp_path / "archive" / "one-a.jsonl.gz"
    assert show_proof(None, None, as_json=False) == 0
    assert f"  head kept, archive {archive} is as it was made\n" in capsys.readouterr().out
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert show_proof(None, None, as_json=False) == 1
    assert f"  archive {archive} was changed" in capsys.readouterr().out
    archive.unlink()
    assert show_proof(None, None, as_json=False) == 0
    assert (
        f"archive one-a.jsonl.gz is not in {archive.parent}; it was made where ada pruned the run, and has SHA-256"
        in capsys.readouterr().out
    )


def test_the_list_of_runs_shows_heads(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    show_runs(20, as_json=True)
    shown = {each["run_id"]: each["ledger_head"] for each in json.loads(capsys.readouterr().out)}
    assert shown == ledger.heads(["one-a", "one-b"])


def test_an_empty_ledger_has_nothing_to_prove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
    assert show_proof(None, None, as_json=False) == 0
    first, heads = capsys.readouterr().out.splitlines()
    assert first == "No runs yet."
    assert "a chain of 1 head, intact" in heads


def test_a_real_run_s_report_document_and_last_state_witness_the_same_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "devices.csv").write_text("sim_id,status\n10000001,activated\n10000009,activated\nx,activated\n")
    with Emulator((Group(2, SimStatus.ACTIVATED, EndpointStatus.ENABLED),)) as carrier:
        monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path))
        monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", carrier.url)
        monkeypatch.setenv("SIMTANDEM_EMNIFY_TOKEN", carrier.token)
        request = BulkUpdate(file=str(tmp_path / "devices.csv"))
        look("reconcile", request, Output(as_json=True, quiet=True))
    document = json.loads(capsys.readouterr().out)
    run = told(capsys, document["run_id"])["runs"][0]  # type: ignore[index]
    assert [(each["source"], each["head"], each["facts_since"]) for each in run["confirmed_by"]] == [
        ("the run's last state", document["ledger_head"], 1),
        ("the run's document.json", document["ledger_head"], 1),
        ("the run's report.html", document["ledger_head"], 1),
        ("entry 4 of the ledger's heads", run["head"], 0),
    ]
    assert (run["standing"], run["notes"]) == ("untouched", [])


def test_a_table_of_last_known_statuses_that_was_changed_is_found_and_made_anew(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(
        tmp_path,
        "INSERT INTO last_known (account, carrier_host, sim_id, run_id, row, sim_status, at) "
        "VALUES ('default', 'h', '11', 'one-a', 2, 'Activated', '2026-03-01T00:00:00.000Z')",
    )
    document = told(capsys)
    assert document["exit_code"] == 1
    assert document["strays"] == [
        "the last known status of SIM 11 of account default at h is not what the runs recorded: see --rebuild"
    ]
    assert told(capsys, "one-a")["exit_code"] == 0

    assert show_proof(None, None, as_json=True, rebuild=True) == 0
    assert told(capsys)["strays"] == []


def test_no_table_is_made_anew_from_a_record_that_is_broken(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(tmp_path, "UPDATE outcomes SET outcome = 'failed' WHERE run_id = 'one-b'")
    tamper(
        tmp_path,
        "INSERT INTO last_known (account, carrier_host, sim_id, run_id, row, at) "
        "VALUES ('default', 'h', '11', 'one-a', 2, '2026')",
    )
    assert show_proof(None, None, as_json=True, rebuild=True) == 1
    assert json.loads(capsys.readouterr().out)["strays"]
    with pytest.raises(InputError, match="name none"):
        show_proof("one-a", None, as_json=True, rebuild=True)


def test_a_byte_that_was_changed_in_the_file_is_found_wherever_it_stands(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table and its index then name different runs, and a query sees but one of them."""
    ledger.close()
    tamper(tmp_path, "PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / "ledger.sqlite"
    whole, places = file.read_bytes(), [0]
    while (at := whole.find(b"one-b", places[-1] + 1)) > 0:
        places.append(at)
    assert len(places) > 10
    for at in places[1:]:
        file.write_bytes(whole[:at] + b"One-b" + whole[at + 5 :])
        assert show_proof(None, None, as_json=True) == 1, f"byte {at}"
        capsys.readouterr()

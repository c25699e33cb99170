"""A command that repeats a run names its account, unless it names a run: that one is of an account.

That each of them can be run is in tests/end_to_end/test_next_commands.py.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.accounts import DEFAULT
from simtandem.ledger.records import RunKind, RunRecord
from simtandem.reports.batch_codes import as_list
from simtandem.reports.run_commands import command_of, comparing, continuing, in_account

LIST: dict[str, object] = {"file": "mix.csv", "to": "activated"}


def record(kind: RunKind, parameters: dict[str, object], account: str = "eu") -> RunRecord:
    told: dict[str, Any] = {
        "run_id": "20260101T000000-abcdef",
        "kind": kind,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "file": "mix.csv",
        "sha256": "",
        "rows": 1,
        "rejected": 0,
        "carrier": "emnify",
        "carrier_host": "cdn.emnify.net",
        "account": account,
        "os_user": "ada",
        "host": "desk",
        "pid": 1,
        "parameters": parameters,
    }
    return RunRecord(**told)


@pytest.mark.parametrize(
    ("kind", "parameters", "command"),
    [
        (RunKind.APPLY, LIST, "simtandem apply mix.csv --to activated"),
        (RunKind.PLAN, LIST, "simtandem apply mix.csv --to activated"),
        (RunKind.RECONCILE, LIST, "simtandem reconcile mix.csv --to activated"),
        (
            RunKind.APPLY,
            {**LIST, "file": "a.xlsx", "more_files": ["b.xlsx"], "sheet": "a.xlsx:May 1\nb.xlsx:it's"},
            "simtandem apply a.xlsx b.xlsx --sheet 'a.xlsx:May 1' --sheet \"b.xlsx:it's\" --to activated",
        ),
        (RunKind.RECONCILE, {"file": "a.xlsx", "sheet": "May"}, "simtandem reconcile a.xlsx --sheet May"),
        (
            RunKind.ACTION,
            {"file": "a.xlsx", "action": "assign", "sheet": "May"},
            "simtandem action a.xlsx --sheet May --do assign",
        ),
        (RunKind.AUDIT, {}, "simtandem audit"),
        (RunKind.ACTION, {"file": "a.csv", "action": "assign"}, "simtandem action a.csv --do assign"),
        (
            RunKind.ACTION,
            {"file": "a.csv", "more_files": ["b c.csv"], "action": "as in file"},
            "simtandem action a.csv 'b c.csv'",
        ),
        (
            RunKind.ACTION,
            {"file": as_list(["AB-12"], "issued"), "action": "as in file"},
            "simtandem register-batch AB-12 --to issued",
        ),
    ],
)
def test_what_repeats_a_run_names_its_account(kind: RunKind, parameters: dict[str, object], command: str) -> None:
    assert command_of(record(kind, parameters)) == f"{command} --account eu"
    assert command_of(record(kind, parameters, DEFAULT)) == command


@pytest.mark.parametrize("parameters", [{"retry_of": "20260101T"}, {"undo_of": "20260101T"}])
def test_what_names_a_run_needs_no_account(parameters: dict[str, object]) -> None:
    made = record(RunKind.RETRY, parameters)
    assert "--account" not in str(command_of(made))
    assert "--account" not in str(continuing(made, planned=True))


def test_what_compares_a_run_with_the_carrier_names_its_account() -> None:
    made = record(RunKind.APPLY, LIST)
    assert comparing(made, {}) == "simtandem reconcile mix.csv --to activated --account eu"
    undone = comparing(record(RunKind.UNDO, {"undo_of": "20260101T"}), {"undo": "/runs/undo.csv"})
    assert undone == "simtandem reconcile /runs/undo.csv --account eu"


def test_what_compares_a_run_names_the_sheet_of_its_workbook() -> None:
    made = record(RunKind.APPLY, {**LIST, "file": "a.xlsx", "sheet": "May"})
    assert comparing(made, {}) == "simtandem reconcile a.xlsx --sheet May --to activated --account eu"


def test_the_account_of_older_documents_is_not_known() -> None:
    assert in_account("simtandem audit", "") == "simtandem audit"

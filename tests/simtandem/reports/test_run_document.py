import json
from typing import cast

import pytest

from schemas.statuses import Outcome, Verdict
from simtandem.reports.run_document import (
    Document,
    document,
    exit_code_for,
    exit_code_for_plan,
    exit_code_for_reconcile,
    recorded_document,
    with_rows,
)


def make(**changes: object) -> dict[str, object]:
    parts: dict[str, object] = {
        "run_id": "run-1",
        "carrier": "emnify",
        "digest": "d1",
        "exit_code": 0,
        "account": "default",
        "input": {"invalid": 0, "rows": 200, "sha256": "ab", "file": "fleet.csv"},
        "plan": {
            "newly_billed": 200,
            "owner_changes": 0,
            "currency": "EUR",
            "monthly_cost": 90.0,
            "changes": {"activated": 200, "suspended": 0, "factory_test": 0},
            "summary": "Activate 200 (200 newly billed, about 90.00 EUR a month)",
            "targets": {"suspended": 0, "activated": 200},
            "eta_s": 12.4567,
            "calls": 203,
            "refused": 0,
            "unchanged": 0,
            "endpoint_changes": 200,
            "sim_changes": 200,
            "devices": 200,
        },
        "outcomes": {"applied": 400},
        "verdicts": {"in_sync": 200},
        "calls": {"throttled": 0, "retried": 1, "total": 204},
        "seconds": 13,
        "files": {"plan": "plan.csv"},
    }
    return document(**{**parts, **changes})  # type: ignore[arg-type]


def test_the_document_has_its_keys_in_the_documented_order_whatever_order_they_came_in() -> None:
    assert json.dumps(make()) == json.dumps(
        {
            "run_id": "run-1",
            "carrier": "emnify",
            "digest": "d1",
            "exit_code": 0,
            "schema": 2,
            "account": "default",
            "input": {"file": "fleet.csv", "sha256": "ab", "rows": 200, "invalid": 0, "rejected": 0},
            "plan": {
                "devices": 200,
                "sim_changes": 200,
                "endpoint_changes": 200,
                "unchanged": 0,
                "refused": 0,
                "calls": 203,
                "eta_s": 12.5,
                "newly_billed": 200,
                "owner_changes": 0,
                "targets": {"activated": 200, "suspended": 0, "factory_test": 0},
                "summary": "Activate 200 (200 newly billed, about 90.00 EUR a month)",
                "changes": {"activated": 200, "suspended": 0, "factory_test": 0},
                "monthly_cost": 90.0,
                "currency": "EUR",
            },
            "outcomes": {"applied": 400, "unchanged": 0, "refused": 0, "held": 0, "failed": 0, "unknown": 0},
            "verdicts": {
                "in_sync": 200,
                "changed_by_others": 0,
                "failed": 0,
                "unknown": 0,
                "refused": 0,
                "invalid": 0,
                "skipped": 0,
            },
            "calls": {"total": 204, "retried": 1, "throttled": 0},
            "seconds": 13.0,
            "files": {"plan": "plan.csv"},
        }
    )


def test_words_may_come_as_members_of_their_enumerations() -> None:
    made = make(outcomes={Outcome.HELD: 3}, verdicts={Verdict.SKIPPED: 2})

    assert json.loads(json.dumps(made))["outcomes"]["held"] == 3
    assert json.loads(json.dumps(made))["verdicts"]["skipped"] == 2


def test_a_word_that_is_no_verdict_is_not_counted_silently() -> None:
    with pytest.raises(ValueError, match="'insync' is no verdict"):
        make(verdicts={"insync": 1})


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [({}, 0), ({"in_sync": 200}, 0), ({"in_sync": 3, "failed": 0}, 0)]
    + [({"in_sync": 199, str(word): 1}, 1) for word in Verdict if word != Verdict.IN_SYNC],
)
def test_a_run_exits_0_only_if_every_row_is_in_sync(verdicts: dict[str, int], code: int) -> None:
    assert exit_code_for(verdicts) == code
    assert exit_code_for_reconcile(verdicts) == code


@pytest.mark.parametrize(("refused", "invalid", "code"), [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
def test_a_plan_exits_0_only_if_nothing_is_refused_or_invalid(refused: int, invalid: int, code: int) -> None:
    assert exit_code_for_plan(refused=refused, invalid=invalid) == code


@pytest.mark.parametrize(
    ("invalid", "verdicts", "names"),
    [
        (0, {"in_sync": 200}, ["plan", "results"]),
        (2, {"in_sync": 197, "refused": 1, "invalid": 2}, ["plan", "invalid", "results"]),
        (0, {"in_sync": 199, "failed": 1}, ["plan", "results", "retry"]),
    ],
)
def test_files_without_rows_are_not_shown(invalid: int, verdicts: dict[str, int], names: list[str]) -> None:
    read = {"invalid": invalid, "rows": 200, "sha256": "ab", "file": "fleet.csv"}
    files = {name: f"{name}.csv" for name in ("plan", "invalid", "results", "retry")}
    made = cast("Document", make(input=read, verdicts=verdicts, files=files))
    assert [*with_rows(made)] == names
    assert [*made["files"]] == [*files], "programs find all of them"


def test_a_document_of_the_first_form_is_read_in_todays() -> None:
    """There, invalid rows and refused moves were both called rejected."""
    today = make(input={"file": "f.csv", "sha256": "ab", "rows": 200, "invalid": 2})
    first = {name: value for name, value in today.items() if name not in ("schema", "account")}
    first["input"] = {"file": "f.csv", "sha256": "ab", "rows": 200, "rejected": 2}
    first["verdicts"] = {"in_sync": 195, "changed_by_others": 0, "failed": 0, "unknown": 0, "rejected": 5, "skipped": 0}
    first["files"] = {"plan": "plan.csv", "rejected": "rejected.csv"}
    read = recorded_document({"document": first})
    assert read is not None
    assert (read["verdicts"]["invalid"], read["verdicts"]["refused"], read["input"]["invalid"]) == (2, 3, 2)
    assert sum(read["verdicts"].values()) == 200
    assert read["files"] == {"plan": "plan.csv", "invalid": "rejected.csv"}
    assert recorded_document({"document": today}) == today
    assert recorded_document({"error": "killed"}) is None

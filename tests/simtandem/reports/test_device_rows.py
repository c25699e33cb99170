"""Of a run with more devices than a page shows, those that went wrong are among those it shows."""

import polars as pl

from schemas.statuses import Action, Verdict
from schemas.tables import Plan, Rejected, Results, empty
from simtandem.reports import device_rows

_INVALID = {"row": 9, "column": "iccid", "value": "depot 7", "reason": "is no ICCID"}


def _plan(*actions: Action) -> pl.DataFrame:
    rows = [
        {
            "row": row,
            "sim_id": str(row),
            "sim_before": "Issued",
            "endpoint_before": None if row == 2 else "Disabled",
            "sim_after": "Activated",
            "endpoint_after": "Enabled",
            "action": action,
            "reason": "no such move" if action is Action.REFUSED else "",
        }
        for row, action in enumerate(actions, 2)
    ]
    return pl.concat([empty(Plan), pl.DataFrame(rows)], how="diagonal_relaxed")


def test_invalid_and_refused_rows_of_a_plan_come_first() -> None:
    rejected = pl.concat([empty(Rejected), pl.DataFrame([_INVALID])], how="diagonal_relaxed")
    plan = _plan(Action.UNCHANGED, Action.CHANGE, Action.REPEAT, Action.REFUSED, Action.CHANGE)
    rows = device_rows.of_plan(plan, rejected, 4)
    assert [(each["row"], each["action"]) for each in rows] == [
        (9, "invalid"),
        (5, "refused"),
        (3, "change"),
        (6, "change"),
    ]
    assert rows[0]["why"] == "iccid 'depot 7': is no ICCID", "what stood there, and not only what is wrong with it"
    assert rows[1] == {
        "row": 5,
        "sim": "5",
        "iccid": None,
        "endpoint": None,
        "now": "Issued + Disabled",
        "then": "Activated + Enabled",
        "action": "refused",
        "why": "no such move",
    }
    assert device_rows.of_plan(plan, rejected, 9)[-1]["now"] == "Issued", "a SIM without endpoint has one status"


def test_a_plan_of_nothing_has_no_rows() -> None:
    assert device_rows.of_plan(empty(Plan), empty(Rejected), 10) == []
    assert device_rows.of_result(empty(Results), 10) == []


def test_refused_and_failed_rows_of_a_result_come_first_and_those_in_sync_last() -> None:
    verdicts = [Verdict.IN_SYNC, Verdict.SKIPPED, Verdict.UNKNOWN, Verdict.FAILED, Verdict.REFUSED, Verdict.INVALID]
    table = pl.DataFrame(
        [
            {"row": row, "verdict": verdict, "error": "HTTP 500" if verdict is Verdict.FAILED else "", "reason": "why"}
            for row, verdict in enumerate([*verdicts, Verdict.CHANGED_BY_OTHERS], 2)
        ]
    )
    rows = device_rows.of_result(pl.concat([empty(Results), table], how="diagonal_relaxed"), 6)
    assert [each["verdict"] for each in rows] == [
        "refused",
        "failed",
        "unknown",
        "invalid",
        "changed by others",
        "skipped",
    ]
    assert [each["why"] for each in rows[:2]] == ["why", "HTTP 500"]

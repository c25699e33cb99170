from functools import partial
from typing import Any, cast

import pytest

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.reports.run_document import Document
from simtandem.runs.run_folder import PlanRecord
from simtandem.runs.summary import ending
from simtandem.runs.summary import waiting as waiting_at

SUMMARY = "Activate 3 (3 newly billed), suspend 0, factory test 0 · 1 already in target state · 4 refused"
PLAN: PlanRecord = {
    "summary": SUMMARY,
    "digest": "d1",
    "devices": 8,
    "sim_changes": 3,
    "endpoint_changes": 2,
    "unchanged": 1,
    "refused": 4,
    "newly_billed": 3,
    "owner_changes": 0,
    "calls": 6,
    "eta_s": 1.0,
    "repeats": 0,
    "targets": {},
    "billed_for_good": 0,
    "newly_billed_limit": 0,
}
waiting = partial(waiting_at, lifecycle=EMNIFY)
NOTHING = "Only planned: nothing was sent."
RECORDED = "What was done is recorded; to continue: simtandem retry r1."
ROW_7 = "First: row 7: no id."


def told(exit_code: int, *, sent: bool = True, **verdicts: int) -> dict[str, Any]:
    files = {"plan": "plan.csv", "results": "results.csv"} if sent else {"plan": "plan.csv"}
    return {
        "run_id": "r1",
        "digest": "d1",
        "exit_code": exit_code,
        "input": {"rows": 10, "invalid": 2},
        "plan": PLAN,
        "verdicts": {"in_sync": 0, **verdicts},
        "files": files,
    }


@pytest.mark.parametrize(
    ("document", "trouble", "sentence"),
    [
        (told(0, in_sync=10, failed=0), "", "10 of 10 rows in sync. Plan d1, run r1."),
        (
            told(1, in_sync=8, changed_by_others=2),
            "row 3: locked.",
            "8 of 10 rows in sync, 2 changed by others. First: row 3: locked. Plan d1, run r1.",
        ),
        (
            told(130, in_sync=4, skipped=6)
            | {"stopped": {"by": "prefect", "why": ""}, "not_sent": {"half_done": 4, "not_begun": 2}}
            | {"next": "simtandem retry r1"},
            "",
            f"Cancelled in Prefect: 4 in sync, 4 partly changed, 2 not begun. {RECORDED} Plan d1, run r1.",
        ),
        (
            told(1, in_sync=9, refused=1) | {"instead": ["1 row: no step leads there: take it out."]},
            "",
            "9 of 10 rows in sync, 1 refused. 1 row: no step leads there: take it out. Plan d1, run r1.",
        ),
        (
            told(1, sent=False, skipped=8, invalid=2),
            "row 7: no id.",
            f"{SUMMARY}. {NOTHING} {ROW_7} Plan d1, run r1.",
        ),
    ],
)
def test_an_ending_has_counts_first_trouble_digest_and_run(
    document: dict[str, Any], trouble: str, sentence: str
) -> None:
    assert ending(cast("Document", document), trouble) == sentence


@pytest.mark.parametrize(("excess", "begins"), [("", "Approval was asked for."), ("Too many.", "Too many.")])
def test_what_waits_says_why_and_what_for(excess: str, begins: str) -> None:
    assert waiting(PLAN, excess) == (f"{begins} Plan d1: {SUMMARY}. Nothing is sent before someone approves it.")


UNLIMITED = "No limit is set for newly billed SIMs (SIMTANDEM_MAX_NEWLY_BILLED)"


def test_an_approval_is_asked_for_what_can_not_be_undone_first() -> None:
    message = waiting({**PLAN, "billed_for_good": 3, "newly_billed_limit": None}, "emnify: too many.")
    assert message.startswith("3 SIMs would be newly billed permanently")
    assert UNLIMITED in message
    assert UNLIMITED not in waiting({**PLAN, "billed_for_good": 3, "newly_billed_limit": 10}, "")


@pytest.mark.parametrize(("limit", "says"), [(None, True), (3, False)])
def test_an_ending_says_that_no_limit_is_set(limit: int | None, says: bool) -> None:
    document = told(0, in_sync=10) | {"billing": {"for_good": 3, "limit": limit}}
    assert (UNLIMITED in ending(cast("Document", document))) is says

"""What changed while a run was at work: by its steps, and behind its back."""

from datetime import UTC, datetime, timedelta

import polars as pl

from schemas.tables import Changes, Outcomes, Plan, Results, Steps, empty
from simtandem.domain import run_changes

BEGUN = datetime(2026, 3, 1, 8, tzinfo=UTC)
SENT, ENDED = BEGUN + timedelta(minutes=1), BEGUN + timedelta(minutes=2)


def plan(*rows: dict[str, object]) -> pl.DataFrame:
    usual = {
        "sim_id": "7",
        "iccid": "8988303000000000007",
        "endpoint_id": "9",
        "sim_before": "Issued",
        "endpoint_before": "Disabled",
        "desired": "activated",
        "sim_after": "Activated",
        "endpoint_after": "Enabled",
        "sim_step": True,
        "endpoint_step": True,
        "first": "endpoint",
        "action": "change",
        "reason": "",
        "newly_billed": True,
    }
    full = [{"row": number, **usual, **row} for number, row in enumerate(rows, 2)]
    return Plan.validate(pl.DataFrame(full, schema=empty(Plan).schema))


def traced(row: dict[str, object], outcomes: dict[str, str], after: str) -> list[tuple[object, ...]]:
    """What changed of a device with this plan row, these outcomes of its halves, and this fresh look."""
    planned = plan(row)
    ended = [
        {"row": 2, "half": half, "outcome": outcome, "attempts": 1, "error": ""} for half, outcome in outcomes.items()
    ]
    results = [{"row": 2, "verdict": "in_sync", "after": after, "attempts": 1}]
    results = [line | dict.fromkeys(("before", "reason", "error"), "") for line in results]
    steps = [
        {
            "half": half,
            "ident": "7" if half == "sim" else "9",
            "after": planned[f"{half}_after"][0],
            "at": SENT,
            "run_id": "r",
            "row": 2,
        }
        for half, outcome in outcomes.items()
        if outcome in ("applied", "unknown")
    ]
    told = run_changes.changes(
        planned,
        Outcomes.validate(pl.DataFrame(ended, schema=empty(Outcomes).schema)),
        Results.validate(pl.DataFrame(results, schema=empty(Results).schema)),
        Steps.validate(pl.DataFrame(steps, schema=empty(Steps).schema)),
        BEGUN,
        ENDED,
    )
    return Changes.validate(told).select("half", "ident", "before", "after", "since", "seen").rows()


def test_each_half_a_run_changed_is_one_change_up_to_its_step() -> None:
    assert traced({}, {"sim": "applied", "endpoint": "applied"}, "Activated+Enabled") == [
        ("endpoint", "9", "Disabled", "Enabled", BEGUN, SENT),
        ("sim", "7", "Issued", "Activated", BEGUN, SENT),
    ]


def test_what_somebody_changed_after_the_step_is_a_change_of_its_own() -> None:
    told = traced({}, {"sim": "applied", "endpoint": "applied"}, "Suspended+Enabled")
    assert told[1:] == [
        ("sim", "7", "Issued", "Activated", BEGUN, SENT),
        ("sim", "7", "Activated", "Suspended", SENT, ENDED),
    ]


def test_what_changed_without_a_step_is_a_change_since_the_run_began() -> None:
    row = {"sim_step": False, "endpoint_step": False, "action": "unchanged", "sim_before": "Activated"}
    assert traced({**row, "endpoint_before": "Enabled"}, {}, "Suspended+Enabled") == [
        ("sim", "7", "Activated", "Suspended", BEGUN, ENDED)
    ]


def test_a_step_nobody_answered_counts_only_where_the_fresh_look_shows_it() -> None:
    unclear = {"sim": "unknown", "endpoint": "applied"}
    assert ("sim", "7", "Issued", "Activated", BEGUN, SENT) in traced({}, unclear, "Activated+Enabled")
    assert [line[0] for line in traced({}, unclear, "Issued+Enabled")] == ["endpoint"]


def test_a_step_that_was_refused_or_put_back_changed_nothing() -> None:
    assert traced({}, {"sim": "refused", "endpoint": "held"}, "Issued+Disabled") == []


def test_what_the_fresh_look_does_not_show_is_not_called_changed() -> None:
    both = {"sim": "applied", "endpoint": "applied"}
    for unseen in ("", "Activated+no endpoint", "no SIM+Enabled"):
        assert [(line[0], line[3]) for line in traced({}, both, unseen)] == [
            ("endpoint", "Enabled"),
            ("sim", "Activated"),
        ]


def test_rows_that_were_refused_or_repeat_another_are_not_looked_at() -> None:
    for action in ("refused", "repeat"):
        row: dict[str, object] = {"action": action, "sim_step": False, "endpoint_step": False}
        assert traced(row, {}, "Suspended+Disabled") == []

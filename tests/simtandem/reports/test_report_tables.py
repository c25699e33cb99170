"""Accounts of runs written straight into a ledger."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from schemas.statuses import Verdict
from schemas.tables import Results, empty
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.reports.report_tables import CALLS, DEVICES, RUNS, Money, account, who

RECORD = RunRecord(
    "run",
    RunKind.APPLY,
    "emnify",
    "host",
    "d.csv",
    "ab",
    1,
    0,
    {"to": "ü"},
    "ada",
    "vm",
    1,
    datetime(2026, 3, 1, tzinfo=UTC),
)
USUAL = {
    "sim_id": "11",
    "desired": "activated",
    "before": "Suspended+Disabled",
    "after": "Activated+Enabled",
    "sim_outcome": "applied",
    "verdict": "in_sync",
    "attempts": 1,
    "reason": "",
    "error": "",
}


def results(*rows: Mapping[str, object]) -> pl.DataFrame:
    lines = [{"row": row, **USUAL, **each} for row, each in enumerate(rows, 2)]
    return Results.validate(pl.DataFrame(lines, schema=empty(Results).schema))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite")) as opened:
        opened.start_run(RECORD)
        yield opened


def numbers(ledger: Ledger, money: Money = Money()) -> dict[str, object]:  # noqa: B008 - immutable
    return account(ledger, [ledger.run("run")], money).runs.row(0, named=True)


def test_a_run_that_has_only_begun_has_no_numbers_yet(ledger: Ledger) -> None:
    told = numbers(ledger)
    assert (told["os_user"], told["file"], told["parameters"]) == ("ada", "d.csv", '{"to": "ü"}')
    assert [told[name] for name in ("digest", "devices", "verdict_in_sync", "exit_code", "seconds")] == [None] * 5
    assert told["calls"] == 0


def test_a_plan_without_an_end_has_the_counts_it_was_made_with(ledger: Ledger) -> None:
    planned = {"digest": "d1", "devices": 3, "sim_changes": 2, "endpoint_changes": 1, "unchanged": 0, "refused": 1}
    ledger.record_state("run", RunState.PLANNED, planned)
    ledger.record_state("run", RunState.WAITING, {"digest": "d1", "why": "large"})
    told = numbers(ledger)
    assert (told["digest"], told["devices"], told["refused"], told["newly_billed"]) == ("d1", 3, 1, None)


def test_sims_are_counted_as_charged_once_each_and_only_where_they_were_changed(ledger: Ledger) -> None:
    on_before = {"before": "Activated+Enabled", "desired": "suspended"}
    ledger.record_verdicts(
        "run",
        results(
            {"sim_id": "1"},
            {"sim_id": "1"},
            {"sim_id": "2", "sim_outcome": "failed"},
            {"sim_id": "3", "sim_outcome": None},
            {"sim_id": "4", **on_before},
            {"sim_id": "5", **on_before, "sim_outcome": "unchanged"},
            {"sim_id": "7", "before": "Activated+Disabled"},
            {"sim_id": "6", "desired": "factory_test", "before": "Issued+Disabled"},
        ),
    )
    told = numbers(ledger, Money(Decimal("1.25"), "EUR"))
    assert (told["newly_charged"], told["no_longer_charged"], told["monthly_change"]) == (1, 1, 0.0)
    assert told["currency"] == "EUR"


def test_verdicts_add_up_to_rows(ledger: Ledger) -> None:
    ledger.record_verdicts("run", results(*({"sim_id": str(n), "verdict": word} for n, word in enumerate(Verdict))))
    told = numbers(ledger)
    assert [told[f"verdict_{word}"] for word in Verdict] == [1] * len(Verdict)


async def test_every_call_has_its_time_status_and_the_carriers_id(ledger: Ledger) -> None:
    async with CallWriter(ledger, "run") as journal:
        call = await journal.intent(Call("PATCH", "/api/v1/sim/1", "change", body='{"status": {"id": 1}}'))
        await journal.answer(call, Answer(204, 0.25, request_id="req-1"))
        await journal.intent(Call("PATCH", "/api/v1/sim/2", "change", attempt=2))
    parts = {part.name: part for part in account(ledger, [ledger.run("run")], Money()).parts}
    (calls,) = parts["calls"].frames()
    assert calls.schema == CALLS
    assert calls.select("path", "status", "request_id", "attempt").rows() == [
        ("/api/v1/sim/1", 204, "req-1", 1),
        ("/api/v1/sim/2", None, None, 2),
    ]
    assert calls["at"].null_count() == 0
    assert numbers(ledger)["calls_unanswered"] == 1


def test_tables_have_their_types_with_and_without_rows(ledger: Ledger) -> None:
    ledger.record_verdicts("run", results({}))
    parts = {part.name: part for part in account(ledger, [ledger.run("run")], Money()).parts}
    assert list(parts) == ["runs", "devices", "calls", "changes", "invalid", "states"]
    for part in parts.values():
        assert all(frame.schema == part.schema for frame in part.frames())
    assert next(parts["runs"].frames()).schema == RUNS
    assert next(parts["devices"].frames()).schema == DEVICES
    assert [frame.height for frame in parts["devices"].frames()] == [1]  # a second time


def test_states_tell_all_but_the_document(ledger: Ledger) -> None:
    ledger.record_state("run", RunState.APPROVED, {"who": "Grace", "why": "=looked at it"})
    ledger.record_state("run", RunState.FINISHED, {"document": {"exit_code": 0}})
    parts = {part.name: part for part in account(ledger, [ledger.run("run")], Money()).parts}
    (states,) = parts["states"].frames()
    assert states["state"].to_list() == ["approved", "finished"]
    assert states["detail"][0] == '{"who": "Grace", "why": "=looked at it"}'
    assert "exit_code" not in (states["detail"][1] or "")


def test_who_asked_is_told_as_far_as_it_is_known() -> None:
    assert who(RECORD, {}) == "ada on vm"
    told = {
        "prefect": {"flow_run": "id", "flow_run_name": "apply: d.csv", "asked_by": "schedule"},
        "approval": {"who": "Grace", "why": ""},
    }
    assert who(RECORD, told) == (
        "ada on vm, asked by schedule through Prefect, flow run apply: d.csv, approved by Grace"
    )


def test_a_pruned_run_keeps_the_numbers_of_its_document(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_verdicts("run", results({}))
    document = {
        "digest": "d1",
        "exit_code": 0,
        "seconds": 2.5,
        "plan": {"devices": 1, "refused": 0},
        "outcomes": {"applied": 2},
        "verdicts": {"in_sync": 1},
        "calls": {"total": 9, "retried": 1, "throttled": 0},
    }
    ledger.record_state("run", RunState.FINISHED, {"document": document}, sealed=True)
    prune_run(ledger, "run", tmp_path, "ada")
    told = account(ledger, [ledger.run("run")], Money())
    line = told.runs.row(0, named=True)
    assert (line["devices"], line["outcome_applied"], line["verdict_in_sync"], line["calls"]) == (1, 2, 1, 9)
    assert line["archive"].startswith("run")
    parts = {part.name: part for part in told.parts}
    assert list(parts["devices"].frames()) == []

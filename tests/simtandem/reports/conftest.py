"""Runs to report on: small by default, each fact of a row or of the document can be set."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from schemas.statuses import Verdict
from schemas.tables import Rejected, Results, empty
from simtandem.reports.run_document import document, exit_code_for

RESULT = {
    "iccid": "8988303000000001234",
    "desired": "activated",
    "before": "Suspended+Disabled",
    "after": "Activated+Enabled",
    "sim_outcome": "applied",
    "endpoint_outcome": "applied",
    "verdict": "in_sync",
    "reason": "",
    "attempts": 2,
    "http_status": 204,
    "error": "",
}

MakeResults = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
MakeDocument = Callable[..., dict[str, object]]
MakeCalls = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]


@pytest.fixture
def make_results() -> MakeResults:
    """A `Results` table from what is special about each row."""

    def make(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
        full = [
            {"row": n, "sim_id": str(5000 + n), "endpoint_id": str(9000 + n), **RESULT, **row}
            for n, row in enumerate(rows, start=2)
        ]
        return Results.validate(pl.DataFrame(full, schema=empty(Results).schema))

    return make


@pytest.fixture
def make_rejected() -> Callable[[Sequence[tuple[int, str, str, str]]], pl.DataFrame]:
    """A `Rejected` table from its lines."""

    def make(lines: Sequence[tuple[int, str, str, str]]) -> pl.DataFrame:
        return Rejected.validate(pl.DataFrame(lines, schema=empty(Rejected).schema, orient="row"))

    return make


@pytest.fixture
def make_calls() -> MakeCalls:
    """Calls, `after` seconds into the run, from what is special about each."""
    start = datetime(2026, 3, 1, 9, 15, tzinfo=UTC)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "at": pl.Datetime("us", "UTC"),
        "method": pl.String,
        "path": pl.String,
        "purpose": pl.String,
        "attempt": pl.Int64,
        "status": pl.Int64,
        "seconds": pl.Float64,
        "fault": pl.String,
    }
    usual = {
        "method": "PATCH",
        "path": "/api/v1/sim/1",
        "purpose": "change",
        "attempt": 1,
        "status": 204,
        "seconds": 0.2,
    }

    def make(calls: Sequence[Mapping[str, object]]) -> pl.DataFrame:
        rows = [
            {**usual, "fault": "", **call, "at": start + timedelta(seconds=float(str(call.get("after", 0))))}
            for call in calls
        ]
        return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)

    return make


@pytest.fixture
def make_document() -> MakeDocument:
    """The document that belongs to a `Results` table; single counts can be set."""

    def make(
        results: pl.DataFrame, *, file: str = "fleet.csv", run_id: str = "run-1", **counts: int
    ) -> dict[str, object]:
        verdicts = Counter(results["verdict"].to_list())
        outcomes = Counter(pl.concat([results["sim_outcome"], results["endpoint_outcome"]]).drop_nulls().to_list())
        rejected = results.filter(pl.col("verdict") == Verdict.INVALID).height
        refused = verdicts["refused"]
        return document(
            run_id=run_id,
            carrier="emnify",
            digest="d1" * 32,
            exit_code=exit_code_for(verdicts),
            account="default",
            input={"file": file, "sha256": "ab" * 32, "rows": results.height, "invalid": rejected},
            plan={
                "devices": results.height - rejected,
                "sim_changes": counts.get("sim_changes", 11),
                "endpoint_changes": counts.get("endpoint_changes", 12),
                "unchanged": counts.get("unchanged", 13),
                "refused": counts.get("refused", refused),
                "calls": counts.get("planned_calls", 1014),
                "eta_s": 15.04,
                "newly_billed": counts.get("newly_billed", 1016),
                "owner_changes": counts.get("owner_changes", 0),
                "targets": {"activated": results.height - rejected},
            },
            outcomes=outcomes,
            verdicts=verdicts,
            calls={
                "total": counts.get("total", 2017),
                "retried": counts.get("retried", 18),
                "throttled": counts.get("throttled", 0),
            },
            seconds=12.34,
            files={"results": "runs/run-1/results.csv", "report": "runs/run-1/report.html"},
        )

    return make

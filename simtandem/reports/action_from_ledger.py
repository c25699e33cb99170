"""What is known of a run of SIM actions from the ledger alone, also of one that was killed at any step."""

from collections.abc import Mapping
from typing import Any, cast

import polars as pl

from schemas.sim_actions import ActionOutcomes
from schemas.statuses import Action, Half, Outcome, Verdict
from schemas.tables import empty
from simtandem.carriers.registry import devices_of, endpoint_reset_by, lifecycle_of
from simtandem.domain.action_verdicts import action_results
from simtandem.domain.verdicts import outcome_counts, verdict_counts
from simtandem.ledger import action_records
from simtandem.ledger.records import RunRecord, RunState, RunSummary, has_ended
from simtandem.ledger.store import Ledger
from simtandem.reports import run_document
from simtandem.reports.action_files import as_results
from simtandem.reports.run_commands import command_of
from simtandem.reports.run_counts import figures
from simtandem.reports.run_document import Document
from simtandem.reports.run_from_ledger import planned, stop_of

_NONE: Mapping[str, Any] = {
    **dict.fromkeys(run_document.PlanCounts.__annotations__, 0),
    "targets": {},
    "summary": "",
    "changes": {},
    "monthly_cost": None,
    "currency": "",
}


def known_outcomes(ledger: Ledger, run_id: str, plan: pl.DataFrame) -> pl.DataFrame:
    """How the actions ended (`ActionOutcomes`), also those of which only the call or its answer is recorded."""
    ended = action_records.read_outcomes(ledger, run_id)
    called: dict[str, int | None] = {}
    sent = ledger.calls(run_id).filter(pl.col("purpose") == "change")
    for path, body, status in sent.select("path", "body", "status").iter_rows():
        called |= {ident: status for half, ident in devices_of(path, body) if half is Half.ENDPOINT}
        called[endpoint_reset_by(path) or path.rpartition("/")[2]] = status
    rows = plan.filter((pl.col("decision") == Action.CHANGE) & ~pl.col("row").is_in(ended["row"].implode()))
    found = [
        (row, *_by_answer(called[named]))
        for row, named in rows.select("row", pl.coalesce("endpoint_id", "bic")).iter_rows()
        if named in called
    ]
    return pl.concat([ended, pl.DataFrame(found, schema=empty(ActionOutcomes).schema, orient="row")]).sort("row")


def _by_answer(status: int | None) -> tuple[str, int, int | None, str]:
    done = status is not None and 200 <= status < 300
    return (
        (Outcome.APPLIED if done else Outcome.UNKNOWN).value,
        1,
        status,
        "" if done else "sent; the end was not recorded",
    )


def known_results(ledger: Ledger, record: RunRecord) -> pl.DataFrame:
    """What became of every row (`ActionResults`): as it was judged, or as far as the record says."""
    results = action_records.read_results(ledger, record.run_id)
    if not results.is_empty():
        return results
    plan = action_records.read_plan(ledger, record.run_id)
    outcomes = known_outcomes(ledger, record.run_id, plan)
    return action_results(plan, ledger.rejected(record.run_id), outcomes, None, lifecycle_of(record.carrier))


def known_document(ledger: Ledger, run: RunSummary, results: pl.DataFrame) -> Document:
    """The document of a run that recorded none. Its `exit_code` is None unless an error ended it."""
    record, counts = run.record, planned(ledger, run.record.run_id)
    plan = action_records.read_plan(ledger, record.run_id)
    verdicts = verdict_counts(results)
    verdicts[Verdict.SKIPPED] += record.rows - results.height
    calls = ledger.call_counts(record.run_id)
    names = {*_NONE} - {"fees", "consequences", "actions"} | ({"actions"} & {*counts})
    last = record.started_at if run.at is None else run.at
    made = run_document.document(
        run_id=record.run_id,
        carrier=record.carrier,
        account=record.account,
        digest=str(counts.get("digest", "")),
        exit_code=0,
        input={"file": record.file, "sha256": record.sha256, "rows": record.rows, "invalid": record.rejected},
        plan=cast("run_document.PlanCounts", {name: counts.get(name, _NONE[name]) for name in names}),
        outcomes=outcome_counts(known_outcomes(ledger, record.run_id, plan)),
        verdicts=verdicts,
        calls={"total": calls.total, "retried": calls.retried, "throttled": calls.throttled},
        seconds=max(0.0, (last - record.started_at).total_seconds()),
        files={},
    )
    go_on = command_of(record) if has_ended(run) else None
    why = str(run.detail.get("error", ""))
    return cast(
        "Document",
        made
        | run_document.changes(figures(as_results(results), lifecycle_of(record.carrier)), stop_of(run))
        | {"exit_code": run.detail.get("exit_code"), "carrier_host": record.carrier_host}
        | {"state": str(run.state or "begun")}
        | ({"refusal": why} if run.state is RunState.REFUSED else {})
        | ({"next": go_on} if go_on else {}),
    )

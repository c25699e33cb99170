"""What is known of a run from the ledger alone, also of one that was killed at any step, or is still at work."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import polars as pl

from schemas.statuses import Half, Outcome, StoppedBy, Verdict
from schemas.tables import Outcomes, empty
from simtandem.carriers.registry import devices_of, lifecycle_of
from simtandem.domain.abilities import Ability
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.stop_reason import Stop
from simtandem.domain.verdicts import half_done, outcome_counts, results_of, verdict_counts
from simtandem.ledger.records import RunKind, RunRecord, RunState, RunSummary, has_ended
from simtandem.ledger.store import Ledger
from simtandem.reports import run_document
from simtandem.reports.run_commands import continuing
from simtandem.reports.run_counts import figures
from simtandem.reports.run_document import Document, recorded_document
from simtandem.reports.wave_sections import waves_of

_TOLD = {"put_back": "put back, as the carrier confirmed", "change": "sent; the end was not recorded"}


def recorded(ledger: Ledger, run: RunSummary) -> Document | None:
    """The document that a run recorded, also where an error ended it after that; None where it came to none."""
    if (told := recorded_document(run.detail)) is not None or run.state is not RunState.FAILED:
        return told
    documents = [recorded_document(each.detail) for each in ledger.states(run.record.run_id)]
    return next((each for each in reversed(documents) if each), None)


def known_results(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """What became of every row (`schemas.tables.Results`): as it was judged, or as far as the record says.

    Where no verdict was recorded, outcomes and answers say where a device is. A run without a plan has no rows but the
    invalid ones.
    """
    results = ledger.results(run_id)
    if not results.is_empty():
        return results
    plan, run = ledger.plan(run_id), ledger.run(run_id)
    outcomes = known_outcomes(ledger, run_id, plan)
    known = results_of(plan, ledger.rejected(run_id), outcomes, None, lifecycle_of(run.record.carrier))
    return known if has_ended(run) or run.record.kind is RunKind.PLAN else _so_far(known, run)


def _so_far(known: pl.DataFrame, run: RunSummary) -> pl.DataFrame:
    """Of a run that has not ended: what it has still to do is no result yet, and the reasons say so."""
    whose = "the run waits for approval" if run.state is RunState.WAITING else "the run is under way"
    skipped, unknown = (pl.col("verdict") == verdict for verdict in (Verdict.SKIPPED, Verdict.UNKNOWN))
    partly = skipped & half_done(known)
    return known.with_columns(
        reason=pl.when(partly)
        .then(pl.lit(f"{whose}: one half is changed so far"))
        .when(skipped)
        .then(pl.lit(f"{whose}: not sent yet"))
        .when(unknown)
        .then(pl.lit(f"{whose}: sent, not answered yet"))
        .otherwise("reason")
    )


def known_outcomes(ledger: Ledger, run_id: str, plan: pl.DataFrame) -> pl.DataFrame:
    """How the steps ended (`schemas.tables.Outcomes`), also those of which only the call or its answer is recorded."""
    ended = ledger.outcomes(run_id)
    if plan.is_empty():
        return ended
    last = _last_calls(ledger.calls(run_id))
    late = Ability.LATE_CHANGES in lifecycle_of(ledger.run(run_id).record.carrier).abilities
    taken = Outcome.ACCEPTED if late else Outcome.APPLIED
    found = [_from_calls(plan, ended, last, half, taken) for half in Half]
    kept = ended.join(pl.concat(found), on=["row", "half"], how="anti")
    return pl.concat([kept, *found]).sort("row", "half")


def _last_calls(calls: pl.DataFrame) -> pl.DataFrame:
    """The last change or putting back of each half, with the HTTP status of its answer."""
    sent = calls.filter(pl.col("purpose").is_in(["change", "put_back"])).select("path", "body", "purpose", "status")
    rows = [
        (half.value, ident, purpose, status)
        for path, body, purpose, status in sent.iter_rows()
        for half, ident in devices_of(path, body)
    ]
    schema = {"half": pl.String, "ident": pl.String, "purpose": pl.String, "call_status": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").unique(["half", "ident"], keep="last")


def _from_calls(
    plan: pl.DataFrame, ended: pl.DataFrame, last: pl.DataFrame, half: Half, taken: Outcome
) -> pl.DataFrame:
    """The outcomes of a half that its last call shows and the record does not; `taken`: of a change that was taken."""
    steps = plan.filter(f"{half}_step").select("row", ident=f"{half}_id")
    known = ended.filter(pl.col("half") == half).select("row", known="outcome")
    calls = last.filter(pl.col("half") == half).drop("half")
    told = steps.join(calls, on="ident").join(known, on="row", how="left")
    done, back = pl.col("call_status").is_between(200, 299).fill_null(value=False), pl.col("purpose") == "put_back"
    outcome = (
        pl.when(done & back)
        .then(pl.lit(Outcome.HELD.value))
        .when(done)
        .then(pl.lit(taken.value))
        .otherwise(pl.lit(Outcome.UNKNOWN.value))
    )
    # A half whose end is recorded may have been put back since, or that may be what was never answered.
    late = pl.col("known").is_null() | (
        back & (pl.col("known") == Outcome.APPLIED) & (done | pl.col("call_status").is_null())
    )
    error = pl.when(done & ~back).then(pl.lit("")).otherwise(pl.col("purpose").replace_strict(_TOLD, default=""))
    return (
        told.filter(late)
        .select(
            "row",
            half=pl.lit(half.value),
            outcome=outcome,
            attempts=pl.lit(1, pl.Int64),
            http_status="call_status",
            error=error,
        )
        .select(empty(Outcomes).columns)
    )


def known_document(ledger: Ledger, run: RunSummary, results: pl.DataFrame) -> Document:
    """The document of a run that recorded none. Its `exit_code` is None: a killed run has none.

    `results` are `known_results`. Rows that no plan was made for count as skipped: nothing was sent for them.
    """
    record = run.record
    plan = ledger.plan(record.run_id)
    verdicts = verdict_counts(results)
    # What a selection left out of a list is no row of the run.
    rows = results.height if record.parameters.get("where") and plan.height else record.rows
    verdicts[Verdict.SKIPPED] += rows - results.height
    calls, counts = ledger.call_counts(record.run_id), planned(ledger, record.run_id)
    made = run_document.document(
        run_id=record.run_id,
        carrier=record.carrier,
        account=record.account,
        digest=str(counts.get("digest", "")),
        exit_code=0,
        input={"file": record.file, "sha256": record.sha256, "rows": rows, "invalid": record.rejected},
        plan=_counts(counts, lifecycle_of(record.carrier)),
        outcomes=outcome_counts(known_outcomes(ledger, record.run_id, plan)),
        verdicts=verdicts,
        calls={"total": calls.total, "retried": calls.retried, "throttled": calls.throttled},
        seconds=_seconds(record, run.at),
        files={},
    )
    counted = figures(results, lifecycle_of(record.carrier))
    counted = replace(counted, not_begun=verdicts[Verdict.SKIPPED] - counted.half_done)
    head, go_on = ledger.head(record.run_id), _next(run, plan)
    made |= run_document.changes(counted, stop_of(run)) | {**run_document.selection_said(counts.get("selection"))}
    waves = waves_of(ledger.states(record.run_id), plan, results, cast("dict[str, str] | None", made.get("stopped")))
    return cast(
        "Document",
        made
        | ({"waves": waves} if waves else {})
        | {"exit_code": run.detail.get("exit_code"), "carrier_host": record.carrier_host, "state": _state(run)}
        | ({"refusal": _why(run)} if run.state is RunState.REFUSED else {})
        | ({"next": go_on} if go_on else {})
        | ({"ledger_head": head.hash} if head else {}),
    )


def planned(ledger: Ledger, run_id: str) -> Mapping[str, Any]:
    """What was recorded when the plan was made: its digest and counts; nothing before that."""
    details = [each.detail for each in ledger.states(run_id) if "devices" in each.detail]
    return details[-1] if details else {}


_WHERE_KNOWN = ("fees", "consequences", "actions")


def _counts(counts: Mapping[str, Any], lifecycle: Lifecycle) -> run_document.PlanCounts:
    names = run_document.PlanCounts.__annotations__
    none: dict[str, object] = {**dict.fromkeys(names, 0), "targets": {goal.word: 0 for goal in lifecycle.goals}}
    none |= {"summary": "", "changes": {}, "monthly_cost": None, "currency": ""}
    told = {name: counts.get(name, none[name]) for name in names if name in counts or name not in _WHERE_KNOWN}
    return cast("run_document.PlanCounts", told)


def stop_of(run: RunSummary) -> Stop | None:
    """Who or what ended a run that recorded no document; None where it runs, waits, or came to its end."""
    if run.state is RunState.FAILED:
        return Stop(StoppedBy.ERROR, _why(run))
    if run.state is not RunState.INTERRUPTED:
        return None
    return Stop(StoppedBy(str(run.detail.get("stopped_by", StoppedBy.KILLED))), _why(run))


def _why(run: RunSummary) -> str:
    return str(run.detail.get("error", ""))


def _state(run: RunSummary) -> str:
    return str(run.state or "begun")


def _next(run: RunSummary, plan: pl.DataFrame) -> str:
    """The command that continues from where the run ended; empty while it runs."""
    if not has_ended(run) or run.record.kind is RunKind.PLAN:
        return ""
    planned = not plan.is_empty() and run.state is not RunState.REFUSED
    return continuing(run.record, planned=planned) or ""


def _seconds(record: RunRecord, last: datetime | None) -> float:
    return 0.0 if last is None else max(0.0, (last - record.started_at).total_seconds())

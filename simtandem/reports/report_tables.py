"""What an audit report says about one run or many: the numbers of each, its devices, its calls, its states.

Every format of a report (page, workbook, CSV, Parquet, JSON) is written from this, so all have the same numbers.
The tables of many runs are read run by run while they are written: there may be millions of rows.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import polars as pl

from schemas import own_columns
from schemas.statuses import Cause, Outcome, Verdict
from schemas.tables import Explained, Rejected, Results, empty
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.charge_words import known
from simtandem.domain.verdicts import outcome_counts, verdict_counts
from simtandem.ledger import explanations
from simtandem.ledger.records import SENDING, RunKind, RunRecord, RunSummary, has_ended
from simtandem.ledger.store import Ledger
from simtandem.reports.run_counts import figures
from simtandem.reports.run_from_ledger import known_document, known_results, planned, recorded

_TEXT, _COUNT, _MOMENT = pl.String(), pl.Int64(), pl.Datetime("ms", "UTC")
_OUTCOMES = [f"outcome_{word}" for word in Outcome]
_VERDICTS = [f"verdict_{word}" for word in Verdict]
_PLANNED = ("devices", "unchanged", "refused", "sim_changes", "endpoint_changes", "newly_billed", "owner_changes")
_CAUSES = [f"cause_{word}" for word in Cause]
_CALLS = ("calls", "calls_retried", "calls_throttled", "calls_unanswered")
_NOT_SENT = ("half_done", "not_begun")
_CHANGED = ("devices_changed", "sims_changed", "endpoints_changed", "owners_changed")
_CHARGED = ("newly_charged", "no_longer_charged")
_RUN_ID = {"run_id": _TEXT}
_MOST_OWN = 40  # own columns of all runs of a report
_Reader = Callable[[str], pl.DataFrame]  # a table of a run, by the run's id

RUNS = pl.Schema(
    {
        **dict.fromkeys(("run_id", "kind", "state"), _TEXT),
        **dict.fromkeys(("started_at", "finished_at"), _MOMENT),
        "seconds": pl.Float64(),
        **dict.fromkeys(
            ("carrier", "carrier_host", "account", "os_user", "host", "asked_by", "flow_run", "approval"), _TEXT
        ),
        **dict.fromkeys(("file", "sha256", "digest", "parameters", "chain_head", "error"), _TEXT),
        "stopped_by": _TEXT,
        **dict.fromkeys(("exit_code", "rows", "invalid", *_PLANNED), _COUNT),
        **dict.fromkeys((*_OUTCOMES, *_VERDICTS, *_NOT_SENT, *_CALLS, *_CHANGED, *_CHARGED), _COUNT),
        "events_read_at": _MOMENT,
        **dict.fromkeys(_CAUSES, _COUNT),
        **dict.fromkeys(("monthly_rate", "monthly_change"), pl.Float64()),
        **dict.fromkeys(("currency", "archive"), _TEXT),
    }
)
"""One line a run. A number is null where the run did not get so far. `devices` to `owner_changes` are the plan's. What
was done is counted from the results, as in `reports.run_counts`: `*_changed`, `newly_charged` and
`no_longer_charged` (SIMs that this run billed newly or no longer). `half_done` and `not_begun` are the rows that are
skipped. Verdicts of a run that was killed are by its record: the carrier was not read. `monthly_change` is the
difference of the charged times the rate: an estimate, as a SIM is charged for every month in which it was active at
any time. The causes count changes of halves; they are null where the carrier's events were not read. `chain_head`
proves that the run's record is intact. `archive` is where the details of a pruned run went: its numbers are those of
its document, and the other tables have no line of it."""
DEVICES = pl.Schema({**_RUN_ID, **empty(Results).schema})
"""What became of every input row; of a run that was killed, as far as its record says. Own columns come after these."""
CALLS = pl.Schema(
    {
        **_RUN_ID,
        "call_id": _TEXT,
        "at": _MOMENT,
        **dict.fromkeys(("method", "path", "purpose"), _TEXT),
        "attempt": _COUNT,
        "body": _TEXT,
        "answered_at": _MOMENT,
        "status": _COUNT,
        "seconds": pl.Float64(),
        "error_code": _COUNT,
        **dict.fromkeys(("fault", "request_id"), _TEXT),
    }
)
"""Every call and its answer; `request_id` is the carrier's."""
CHANGES = pl.Schema(
    {**_RUN_ID, **{explanations.RENAMED.get(name, name): kind for name, kind in empty(Explained).schema.items()}},
)
"""Who changed what while the run was at work, as far as the carrier's events say; no line where they were not read."""
INVALID = pl.Schema({**_RUN_ID, **empty(Rejected).schema})
STATES = pl.Schema({**_RUN_ID, "at": _MOMENT, "state": _TEXT, "detail": _TEXT})


@dataclass(frozen=True, slots=True)
class Money:
    """What an Activated SIM costs a month; None where that is not set."""

    rate: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a report. `frames` reads it, some rows at a time, and can be called again."""

    name: str
    schema: pl.Schema
    frames: Callable[[], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Account:
    """A report's content: `runs` (see `RUNS`), and every table, that one first."""

    runs: pl.DataFrame
    parts: tuple[Part, ...]


def who(record: RunRecord, told: Mapping[str, Any]) -> str:
    """Who asked for a run, in words, with what its document says about Prefect and an approval."""
    asked, approval = told.get("prefect") or {}, told.get("approval") or {}
    words = [f"{record.os_user} on {record.host}"]
    words += [f"continued on {host} when its process had died" for host in told.get("continued_on") or []]
    if asked.get("requested_by"):
        words.append(f"asked for by {asked['requested_by']} ({asked.get('requested_by_identity', '')})")
    if asked.get("asked_by"):
        words.append(f"asked by {asked['asked_by']} through Prefect")
    if asked.get("flow_run_name"):
        words.append(f"flow run {asked['flow_run_name']}")
    if approval.get("who"):
        known = f" ({approval['identity']})" if approval.get("identity") else ""
        words.append(f"approved by {approval['who']}{known}")
    return ", ".join(words)


def account(ledger: Ledger, runs: Sequence[RunSummary], money: Money) -> Account:
    """The account of these runs, in the order given."""
    kept = _OwnColumns(ledger)
    devices = lru_cache(maxsize=1)(partial(known_results, ledger))  # so that those of a single run are read once
    numbers = pl.DataFrame([_numbers(ledger, run, devices, money) for run in runs], schema=RUNS)
    ids = numbers.filter(pl.col("archive").is_null())["run_id"].to_list()

    def each(schema: pl.Schema, read: _Reader) -> Callable[[], Iterator[pl.DataFrame]]:
        return lambda: (_of_run(run_id, read(run_id), schema) for run_id in ids)

    with_own = kept.added_to(DEVICES, ids)
    return Account(
        numbers,
        (
            Part("runs", RUNS, lambda: iter([numbers])),
            Part("devices", with_own, each(with_own, lambda run_id: kept.beside(run_id, devices(run_id)))),
            Part("calls", CALLS, each(CALLS, ledger.calls)),
            Part("changes", CHANGES, each(CHANGES, partial(_explained, ledger))),
            Part("invalid", INVALID, each(INVALID, ledger.rejected)),
            Part("states", STATES, each(STATES, partial(_states, ledger))),
        ),
    )


class _OwnColumns:
    """The operator's own columns of several runs: all that any of them has, as far as a table has room."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._of = lru_cache(maxsize=1)(ledger.own)

    def added_to(self, schema: pl.Schema, run_ids: Sequence[str]) -> pl.Schema:
        """The columns of a table of devices of these runs."""
        names = dict.fromkeys(name for run_id in run_ids for name in self._ledger.own_names(run_id))
        taken, free = {name.casefold() for name in schema}, list[str]()
        for name in names:
            if name.casefold() not in taken and len(free) < _MOST_OWN:
                taken.add(name.casefold())
                free.append(name)
        return pl.Schema({**schema, **dict.fromkeys(free, _TEXT)})

    def beside(self, run_id: str, devices: pl.DataFrame) -> pl.DataFrame:
        """The devices of a run with its own columns."""
        return devices.hstack(own_columns.beside(self._of(run_id), devices["row"]))


def _of_run(run_id: str, table: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    missing = [pl.lit(None).alias(name) for name in schema if name not in table.columns and name != "run_id"]
    return table.with_columns(run_id=pl.lit(run_id)).with_columns(missing).select(schema.names()).cast(schema)


def _numbers(ledger: Ledger, run: RunSummary, devices: _Reader, money: Money) -> dict[str, object]:
    """A line of `RUNS`. The run's document stands for what is no longer in the ledger."""
    record, pruned = run.record, ledger.pruning(run.record.run_id)
    told: Mapping[str, Any] = recorded(ledger, run) or {}
    if not told and pruned is None and _judged_by_record(ledger, run):
        told = known_document(ledger, run, devices(record.run_id))
    asked: Mapping[str, str] = told.get("prefect") or {}
    head = ledger.head(record.run_id)
    detailed = (
        _told_once(told, money) if pruned else _counted(ledger, record.run_id, devices(record.run_id), told, money)
    )
    return {
        "run_id": record.run_id,
        "kind": str(record.kind),
        "state": str(run.state or "begun"),
        "started_at": record.started_at,
        "finished_at": run.at if told and has_ended(run) else None,
        "seconds": told.get("seconds") if has_ended(run) else None,
        "carrier": record.carrier,
        "carrier_host": record.carrier_host,
        "account": told.get("account") or None,
        "os_user": record.os_user,
        "host": record.host,
        "asked_by": asked.get("asked_by") or None,
        "flow_run": asked.get("flow_run") or None,
        "approval": _json(told.get("approval")),
        "file": record.file,
        "sha256": record.sha256,
        "parameters": _json(record.parameters),
        "chain_head": head.hash if head else None,
        "error": run.detail.get("error"),
        "exit_code": told.get("exit_code"),
        "stopped_by": (told.get("stopped") or {}).get("by"),
        "rows": (told.get("input") or {}).get("rows", record.rows),
        "invalid": record.rejected,
        **_planned(ledger, run, told),
        **detailed,
        "archive": pruned.archive if pruned else None,
    }


def _judged_by_record(ledger: Ledger, run: RunSummary) -> bool:
    """Whether a run without a document is described by its record: it has ended, or has a plan."""
    sends = run.record.kind in (*SENDING, RunKind.RECONCILE)
    return sends and (has_ended(run) or not ledger.plan(run.record.run_id).is_empty())


def _planned(ledger: Ledger, run: RunSummary, told: Mapping[str, Any]) -> dict[str, object]:
    """The plan's digest and counts, from the run's document or the moment it was planned."""
    if "plan" in told and "state" not in told:
        plan, digest = told["plan"], told.get("digest")
    else:
        plan = planned(ledger, run.record.run_id)
        digest = plan.get("digest")
    return {"digest": digest, **{name: plan.get(name) for name in _PLANNED}}


def _counted(
    ledger: Ledger, run_id: str, devices: pl.DataFrame, told: Mapping[str, Any], money: Money
) -> dict[str, object]:
    outcomes = told.get("outcomes") or outcome_counts(ledger.outcomes(run_id))
    judged = devices["verdict"].count() > 0
    verdicts = told.get("verdicts") or (verdict_counts(devices) if judged else {})
    lifecycle = lifecycle_of(ledger.run(run_id).record.carrier)
    calls, counted = ledger.call_counts(run_id), figures(devices, lifecycle)
    on, off = counted.newly_billed, counted.no_longer_billed
    return {
        **_words(outcomes, verdicts),
        **{name: getattr(counted, name.removesuffix("_changed")) for name in (*_NOT_SENT, *_CHANGED)},
        **(told.get("not_sent") or {}),
        **dict(zip(_CALLS, (calls.total, calls.retried, calls.throttled, calls.unanswered), strict=True)),
        **_caused(ledger, run_id),
        "newly_charged": on,
        "no_longer_charged": off,
        "monthly_rate": None if money.rate is None else float(money.rate),
        "monthly_change": None if money.rate is None or not known(lifecycle) else float((on - off) * money.rate),
        "currency": money.currency or None,
    }


def _told_once(told: Mapping[str, Any], money: Money) -> dict[str, object]:
    """The same of a run whose details were pruned, as far as its document has it."""
    calls: Mapping[str, int] = told.get("calls") or {}
    changed: Mapping[str, int] = told.get("changed") or {}
    return {
        **{name: (told.get("not_sent") or {}).get(name) for name in _NOT_SENT},
        **{name: changed.get(name.removesuffix("_changed")) for name in _CHANGED},
        "newly_charged": changed.get("newly_billed"),
        "no_longer_charged": changed.get("no_longer_billed"),
        **_words(told.get("outcomes") or {}, told.get("verdicts") or {}),
        "calls": calls.get("total"),
        "calls_retried": calls.get("retried"),
        "calls_throttled": calls.get("throttled"),
        "monthly_rate": None if money.rate is None else float(money.rate),
        "currency": money.currency or None,
    }


def _words(outcomes: Mapping[str, int], verdicts: Mapping[str, int]) -> dict[str, object]:
    """A word that the counts leave out counts 0; where there are no counts, it is null."""
    return {
        **{f"outcome_{word}": outcomes.get(word, 0) if outcomes else None for word in Outcome},
        **{f"verdict_{word}": verdicts.get(word, 0) if verdicts else None for word in Verdict},
    }


def _caused(ledger: Ledger, run_id: str) -> dict[str, object]:
    found = explanations.of_run(ledger, run_id)
    if found is None:
        return {}
    counts = dict(found.changes["cause"].value_counts().iter_rows())
    return {"events_read_at": found.read_at, **{f"cause_{word}": counts.get(word, 0) for word in Cause}}


def _explained(ledger: Ledger, run_id: str) -> pl.DataFrame:
    found = explanations.of_run(ledger, run_id)
    return (empty(Explained) if found is None else found.changes).rename(explanations.RENAMED)


def _states(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """The states of a run; the whole document, which is in the last one, is in the other tables."""
    lines = [
        (each.at, str(each.state), _json({name: value for name, value in each.detail.items() if name != "document"}))
        for each in ledger.states(run_id)
    ]
    return pl.DataFrame(lines, schema={name: STATES[name] for name in ("at", "state", "detail")}, orient="row")


def _json(value: object) -> str | None:
    return json.dumps(value, default=str, ensure_ascii=False) if value else None

"""What is offered after a run: the command that continues it, what to do instead, and who has finished it since."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import polars as pl

from schemas.accounts import AccountKey
from schemas.own_columns import Places
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.left_rows import RETRIED, LeftRows, left_rows
from simtandem.ledger.records import RunSummary, has_ended
from simtandem.ledger.retries import retries_of
from simtandem.ledger.store import Ledger
from simtandem.reports.headline import command
from simtandem.reports.run_document import Document
from simtandem.reports.run_from_ledger import known_document, known_results, recorded

KINDS = ("apply", "retry", "undo")
"""Kinds of runs that a retry can continue."""
_RETRY = "simtandem retry "

LastKnown = Callable[[AccountKey], pl.DataFrame]
"""Where each device of an account was last put, see `Ledger.last_known`."""


def offered(document: Mapping[str, Any], results: pl.DataFrame, places: Places) -> dict[str, object]:
    """The part of a run's document about what it left (`next`, `instead`): nothing where nothing was to be sent."""
    return _offered(document, left_rows(results, lifecycle_of(document["carrier"]), places))


def _offered(document: Mapping[str, Any], left: LeftRows) -> dict[str, object]:
    if document.get("refusal"):
        return {}
    return {
        **({"next": command("retry", document)} if left.retried.height else {}),
        **({"instead": list(left.instead)} if left.instead else {}),
    }


def told_by_now(
    ledger: Ledger, run: RunSummary, results: pl.DataFrame, last_known: LastKnown | None = None
) -> Document:
    """A run's document with what is offered by now, and with `finished_by` where nothing of it is left to do.

    `last_known` stands for the ledger's own, where one is read for many runs.
    """
    told: dict[str, Any] = dict(recorded(ledger, run) or known_document(ledger, run, results))
    unread, record = "state" in told, run.record
    left = left_rows(results, lifecycle_of(record.carrier), Places(ledger.own(record.run_id)), unread=unread)
    if not unread:
        without = {name: told[name] for name in told if name not in ("next", "instead")}
        told = without | _offered(told, left)
    elif _retries(told):
        told = {name: told[name] for name in told if name != "next" or left.retried.height}
        told |= {"instead": list(left.instead)} if left.instead else {}
    if by := _retried_by(ledger, record.run_id) or (
        _done_by(last_known or ledger.last_known, run, left.retried) if has_ended(run) else ""
    ):
        told.pop("next", None)
        told["finished_by"] = by
    return cast("Document", told)


def _retries(document: Mapping[str, Any]) -> bool:
    """Whether a retry of this very run is offered, not of the one that it was a retry of."""
    return str(document.get("next", "")).startswith(f"{_RETRY}{document['run_id']}")


def _done_by(last_known: LastKnown, run: RunSummary, left: pl.DataFrame) -> str:
    """The last of the later runs that put all these rows' devices where they were to be; empty where one is not there.

    What the ledger knows last of a device counts. It knows no owners.
    """
    if left.is_empty():
        return ""
    known = last_known(run.record.account_key).select("sim_id", "at", put="desired", by="run_id")
    at = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
    there = (pl.col("put") == pl.col("desired")) & (pl.col("by") != run.record.run_id) & (at > run.record.started_at)
    since = left.join(known, on="sim_id").filter(there, pl.col("owners").is_null())
    return str(since.sort("at")["by"][-1]) if since.height == left.height else ""


def _retried_by(ledger: Ledger, run_id: str) -> str:
    """The retry that brought all of it in sync, or a retry of that; empty where none did."""
    for each in retries_of(ledger, run_id):
        told = recorded(ledger, each)
        if told is not None and told["exit_code"] == 0:
            return each.record.run_id
        if later := _retried_by(ledger, each.record.run_id):
            return later
    return ""


def retries_offered(ledger: Ledger, runs: Sequence[RunSummary]) -> dict[str, str]:
    """Which of these runs a retry can still do something for, in the order given, and the command of each.

    A run of which a retry is among them is left out: that one is to be tried again.
    """
    found: dict[str, str] = {}
    last_known = cache(ledger.last_known)  # it is a row for each SIM of an account
    for run in runs:
        told = recorded(ledger, run)
        nothing = told is not None and not any(told["verdicts"].get(word, 0) for word in RETRIED)
        if run.record.kind not in KINDS or not has_ended(run) or nothing or ledger.pruning(run.record.run_id):
            continue
        by_now = told_by_now(ledger, run, known_results(ledger, run.record.run_id), last_known)
        if _retries(by_now):
            found[run.record.run_id] = by_now["next"]
    tried = {str(run.record.parameters.get("retry_of", "")) for run in runs if run.record.run_id in found}
    return {run_id: each for run_id, each in found.items() if run_id not in tried}

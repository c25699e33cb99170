"""Whose a half is: which run sent it last, by the record.

A run has a claim to a half it sent that was not refused, and that it did not take back by itself. Steps that have
ended are looked up in the ledger's table of what was last sent, however old they are and whether or not their run was
pruned. Of a run that was killed, calls without an ended step count as well. Who changed owners alone is not in the
table: where owners are to be given back, the calls of all later runs are read.
"""

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from schemas.statuses import Half
from simtandem import undoing
from simtandem.carriers.opening import devices_of
from simtandem.ledger.store import Ledger


def sent_by(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """The halves that a run's calls may have changed (`undoing.SENT`)."""
    return _halves(ledger.changes_sent(run_id))


def sent_later(ledger: Ledger, run_id: str, sent: pl.DataFrame) -> pl.DataFrame:
    """What other runs sent of these halves at the time of the first of them, or later (`undoing.SENT`)."""
    first = sent["at"].min()
    if not isinstance(first, str):
        return pl.DataFrame(schema=undoing.SENT)
    host, since = ledger.run(run_id).record.carrier_host, datetime.fromisoformat(first)
    known = [_ended(ledger, host, run_id), _not_ended(ledger, ledger.changes_at(host, but_for=run_id, since=since))]
    if ledger.plan(run_id)["owners_after"].drop_nulls().len():
        every = _halves(ledger.changes_at(host, but_for=run_id, since=since, judged=True))
        known.append(every.filter(pl.col("half") == Half.SIM))
    return pl.concat(known).filter(pl.col("at") >= first).join(sent, on=["half", "ident"], how="semi")


def without_expectation(ledger: Ledger, carrier_host: str, managed: pl.DataFrame) -> pl.DataFrame:
    """A `schemas.tables.Managed` table that expects nothing of devices which a killed run may have changed since."""
    doubtful = _not_ended(ledger, ledger.changes_at(carrier_host))
    at = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
    for half in Half:
        ident = f"{half}_id"
        sent = doubtful.filter(pl.col("half") == half).group_by("ident").agg(at.max().alias("sent_at"))
        joined = managed.join(sent.rename({"ident": ident}), on=ident, how="left")
        known = ~(pl.col("sent_at") > pl.col("at")).fill_null(value=False)
        expected = ("desired", "sim_status", "endpoint_status")
        managed = joined.with_columns(pl.when(known).then(name).alias(name) for name in expected).drop("sent_at")
    return managed


def _ended(ledger: Ledger, carrier_host: str, but_for: str) -> pl.DataFrame:
    """What runs are known to have sent last, or may have, by the outcomes of their steps."""
    known = ledger.last_known(carrier_host)
    parts = [
        known.filter(pl.col(f"{half}_run").is_not_null(), pl.col(f"{half}_run") != but_for).select(
            half=pl.lit(half.value), ident=f"{half}_id", run_id=f"{half}_run", at=f"{half}_at"
        )
        for half in Half
    ]
    return pl.concat([part.drop_nulls().select(list(undoing.SENT)) for part in parts])


def _not_ended(ledger: Ledger, calls: pl.DataFrame) -> pl.DataFrame:
    """What these calls of killed runs may have changed, as far as it is not recorded how that ended."""
    halves = _halves(calls)
    parts = [halves.clear()]
    for (other,), some in halves.group_by("run_id", maintain_order=True):
        parts.append(some.join(_with_outcome(ledger, str(other)), on=["half", "ident"], how="anti"))
    return pl.concat(parts)


def _with_outcome(ledger: Ledger, run_id: str) -> pl.DataFrame:
    plan, outcomes = ledger.plan(run_id), ledger.outcomes(run_id)
    ended = [
        plan.join(outcomes.filter(pl.col("half") == half), on="row", how="semi").select(
            half=pl.lit(half.value), ident=f"{half}_id"
        )
        for half in Half
    ]
    return pl.concat(ended)


def _halves(calls: pl.DataFrame) -> pl.DataFrame:
    """The halves that calls may have changed. A refused call of many may have changed some of them; of one, nothing."""

    def rows() -> Iterator[tuple[str, str, str, str]]:
        for run_id, at, path, body, refused in calls.iter_rows():
            named = list(devices_of(path, body))
            if not refused or len(named) > 1:
                yield from ((half.value, ident, run_id, at) for half, ident in named)

    return pl.DataFrame(rows(), schema=undoing.SENT, orient="row")

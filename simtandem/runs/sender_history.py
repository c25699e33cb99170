"""Whose a half is: which run sent it last, by the record.

A run has a claim to a half it sent that was not refused, and that it did not take back. Steps that have
ended are looked up in the ledger's table of what was last sent, however old they are and whether or not their run was
pruned. Of a run that was killed, calls without an ended step count as well. Who changed owners alone is not in the
table: where owners are to be given back, the calls of all later runs are read. So they are where an undo was the last
to send a half, because the table does not say whose the half was before that.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

import polars as pl

from schemas.accounts import AccountKey
from schemas.statuses import Half, Outcome
from simtandem.carriers.registry import devices_of
from simtandem.domain.last_sender import LATER, SENT
from simtandem.domain.verdicts import PUT_BY
from simtandem.ledger import claims
from simtandem.ledger.store import Ledger

_HALF = {"half": pl.String, "ident": pl.String, "run_id": pl.String}
_DONE = pl.Schema({**_HALF, "done": pl.Boolean})
_AIMS = pl.Schema({**_HALF, "to": pl.String})


def sent_by(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """The halves that a run's calls may have changed (`claimants.SENT`)."""
    return _halves(ledger.changes_sent(run_id))


def sent_later(ledger: Ledger, run_id: str, plan: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """What other runs sent of both halves of the devices in `sent`, since the first of that (`claimants.LATER`)."""
    first = sent["at"].min()
    if not isinstance(first, str):
        return pl.DataFrame(schema=LATER)
    account, since = ledger.run(run_id).record.account_key, datetime.fromisoformat(first)
    halves = _both_halves(plan, sent)
    killed = _not_ended(ledger, ledger.changes_at(account, but_for=run_id, since=since))
    last = pl.concat([_ended(ledger, account, run_id), killed])
    last = last.filter(pl.col("at") >= first).join(halves, on=["half", "ident"], how="semi")
    undone = _undone_by(ledger, last)
    if undone or plan["owners_after"].drop_nulls().len():
        every = _halves(ledger.changes_at(account, but_for=run_id, since=since, judged=True))
        every = every.join(halves, on=["half", "ident"], how="semi")
        undone |= _undone_by(ledger, every)
        last = pl.concat([last.join(every, on=["half", "ident", "run_id"], how="anti"), _not_taken_back(ledger, every)])
    return _with_sureness(ledger, last, undone)


def put_by_others(ledger: Ledger, account: str, but_for: str, turn: int | None) -> pl.DataFrame:
    """Where other runs put halves of this account since that count of its claims (`verdicts.PUT_BY`).

    Which run was the last one is known by the count under which each had claimed the device: no host's clock is asked.
    What was never answered may have been the last change or not; it stands beside the last one that was.
    """
    sent = claims.sent_since(ledger.database, account, but_for, -1 if turn is None else turn).with_row_index("order")
    sure = pl.when(pl.col("outcome") == Outcome.APPLIED).then("order").max().over("half", "ident").fill_null(0)
    return sent.filter(pl.col("order") >= sure, pl.col("run_id") != but_for).select(list(PUT_BY))


def _both_halves(plan: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """`half, ident` of the devices of which a half is in `sent`."""
    named = [
        plan.join(sent.filter(pl.col("half") == half), left_on=f"{half}_id", right_on="ident", how="semi")
        for half in Half
    ]
    devices = pl.concat(named)
    parts = [devices.select(half=pl.lit(half.value), ident=f"{half}_id").drop_nulls() for half in Half]
    return pl.concat(parts).unique()


def _undone_by(ledger: Ledger, sent: pl.DataFrame) -> dict[str, str]:
    """Of the runs in `sent` those that are undos, with the run that each undoes. A retry of an undo does its work."""
    asked = {run_id: _undoes(ledger, run_id) for run_id in sent["run_id"].unique()}
    return {run_id: undone for run_id, undone in asked.items() if undone}


def _undoes(ledger: Ledger, run_id: str) -> str:
    """The run that this one undoes, or that the run undoes which it tries again; empty where there is none."""
    asked = ledger.run(run_id).record.parameters
    while tried := asked.get("retry_of"):
        asked = ledger.run(str(tried)).record.parameters
    return str(asked.get("undo_of") or "")


def _with_sureness(ledger: Ledger, sent: pl.DataFrame, undone: Mapping[str, str]) -> pl.DataFrame:
    """`sent` with what each sender was an undo of, whether it is known to have done what it sent, and what that was."""
    parts = [
        _with_outcome(ledger, run_id, [Outcome.APPLIED]).with_columns(run_id=pl.lit(run_id), done=pl.lit(value=True))
        for run_id in undone
    ]
    done = pl.concat(parts or [pl.DataFrame(schema=_DONE)]).unique()
    undoes = pl.col("run_id").replace_strict(undone, default=None, return_dtype=pl.String)
    aims = pl.concat([pl.DataFrame(schema=_AIMS), *(_aims(ledger, run_id) for run_id in undone)]).unique(list(_HALF))
    joined = sent.join(done, on=list(_HALF), how="left").join(aims, on=list(_HALF), how="left")
    joined = joined.with_columns(undoes=undoes)
    return joined.with_columns(sure=pl.col("undoes").is_null() | pl.col("done").is_not_null()).select(list(LATER))


def _aims(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """Where a run was to bring each half."""
    plan = ledger.plan(run_id)
    parts = [
        plan.filter(f"{half}_step").select(
            half=pl.lit(half.value), ident=f"{half}_id", run_id=pl.lit(run_id), to=f"{half}_after"
        )
        for half in Half
    ]
    return pl.concat(parts)


def _not_taken_back(ledger: Ledger, sent: pl.DataFrame) -> pl.DataFrame:
    """`sent` without the halves that are known to have ended as if their run had not sent them."""
    nothing = [outcome for outcome in Outcome if outcome not in (Outcome.APPLIED, Outcome.UNKNOWN, Outcome.ACCEPTED)]
    parts = [sent.clear()]
    for (run_id,), some in sent.group_by("run_id", maintain_order=True):
        ended = _with_outcome(ledger, str(run_id), nothing)
        parts.append(some.join(ended, on=["half", "ident"], how="anti"))
    return pl.concat(parts)


def without_expectation(ledger: Ledger, account: AccountKey, managed: pl.DataFrame) -> pl.DataFrame:
    """A `schemas.tables.Managed` table that expects nothing of devices which a killed run may have changed since."""
    doubtful = _not_ended(ledger, ledger.changes_at(account))
    at = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
    for half in Half:
        ident = f"{half}_id"
        sent = doubtful.filter(pl.col("half") == half).group_by("ident").agg(at.max().alias("sent_at"))
        joined = managed.join(sent.rename({"ident": ident}), on=ident, how="left")
        known = ~(pl.col("sent_at") > pl.col("at")).fill_null(value=False)
        expected = ("desired", "sim_status", "endpoint_status")
        managed = joined.with_columns(pl.when(known).then(name).alias(name) for name in expected).drop("sent_at")
    return managed


def _ended(ledger: Ledger, account: AccountKey, but_for: str) -> pl.DataFrame:
    """What runs are known to have sent last, or may have, by the outcomes of their steps."""
    known = ledger.last_known(account)
    parts = [
        known.filter(pl.col(f"{half}_run").is_not_null(), pl.col(f"{half}_run") != but_for).select(
            half=pl.lit(half.value), ident=f"{half}_id", run_id=f"{half}_run", at=f"{half}_at"
        )
        for half in Half
    ]
    return pl.concat([part.drop_nulls().select(list(SENT)) for part in parts])


def _not_ended(ledger: Ledger, calls: pl.DataFrame) -> pl.DataFrame:
    """What these calls of killed runs may have changed, as far as it is not recorded how that ended."""
    halves = _halves(calls)
    parts = [halves.clear()]
    for (other,), some in halves.group_by("run_id", maintain_order=True):
        parts.append(some.join(_with_outcome(ledger, str(other)), on=["half", "ident"], how="anti"))
    return pl.concat(parts)


def _with_outcome(ledger: Ledger, run_id: str, which: Collection[Outcome] = tuple(Outcome)) -> pl.DataFrame:
    """`half, ident` of a run's steps whose last outcome is one of these."""
    plan = ledger.plan(run_id)
    outcomes = ledger.outcomes(run_id).filter(pl.col("outcome").is_in(list(which)))
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

    return pl.DataFrame(rows(), schema=SENT, orient="row")

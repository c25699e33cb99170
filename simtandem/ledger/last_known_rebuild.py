"""What `last_known` must hold, worked out from the facts of the runs: another way to the same table.

A run whose details were pruned left what it had added to the table as facts of its own (`baselines`). The table itself
is no fact and not chained: anyone who changes it is found by comparing the two, and it is made anew from the facts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection, Select, Text, and_, func, or_, select, type_coerce

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import Action, Half, Outcome, Verdict
from simtandem.domain.split_pairs import goal_of
from simtandem.ledger import last_known, tables
from simtandem.ledger.accounts import of_account
from simtandem.ledger.last_known import COLUMNS
from simtandem.ledger.queries import read_frame
from simtandem.ledger.records import SENDING, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import baselines, outcomes, plan_rows, prunings, run_states, runs, verdicts

_DONE = [Outcome.APPLIED.value, Outcome.UNCHANGED.value]
_SENT = [Outcome.APPLIED.value, Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]
_NOTHING_DONE = [Outcome.HELD.value, Outcome.REFUSED.value, Outcome.FAILED.value]
_GATHERED = 200_000
"""Rows of small runs that are merged at once."""
_TEXT = ("sim_id", "endpoint_id", "desired", *(f"{half}_{when}" for half in Half for when in ("before", "after")))
_ROWS = pl.Schema(
    {
        "row": pl.Int64(),
        **dict.fromkeys(_TEXT, pl.String()),
        **dict.fromkeys((f"{half}_step" for half in Half), pl.Boolean()),
        "verdict": pl.String(),
    }
)
_ENDS = pl.Schema({"seq": pl.Int64(), "row": pl.Int64(), **dict.fromkeys(("half", "outcome", "at"), pl.String())})
_WHERE = ["run_id", "row", "endpoint_id", "desired", "sim_status", "endpoint_status", "at"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of an account, so many devices are not in the table as the facts say; `sim_id` is the first of them."""

    account: AccountKey
    devices: int
    sim_id: str

    def __str__(self) -> str:
        more = "" if self.devices == 1 else f" and {self.devices - 1:,} more"
        return f"the last known status of SIM {self.sim_id}{more} of {self.account} is not what the runs recorded"


def differences(connection: Connection) -> list[Difference]:
    """Where the table is not what follows from the facts, by account. Reads everything: use it in a snapshot."""
    found = []
    for account in _accounts(connection):
        kept, wanted = last_known.read(connection, account), derive(connection, account)
        marked = pl.concat([kept.with_columns(kept=1), wanted.with_columns(kept=-1)])
        odd = marked.group_by(list(COLUMNS)).agg(pl.col("kept").sum()).filter(pl.col("kept") != 0)
        sims = odd["sim_id"].unique().sort()
        if sims.len():
            found.append(Difference(account, sims.len(), str(sims[0])))
    return found


def rebuild(ledger: Ledger) -> None:
    """Make the table anew from the facts, in one transaction."""
    with ledger.database.write() as connection:
        for account in _accounts(connection):
            last_known.replace(connection, account, derive(connection, account))


def _accounts(connection: Connection) -> list[AccountKey]:
    """The accounts that runs changed devices of, or that the table has."""
    changed = select(func.coalesce(runs.c.account, DEFAULT), runs.c.carrier_host).where(runs.c.kind.in_(SENDING))
    known = select(tables.last_known.c.account, tables.last_known.c.carrier_host)
    return sorted({AccountKey(*found) for found in connection.execute(changed.union(known))})


def derive(connection: Connection, account: AccountKey) -> pl.DataFrame:
    """What is known of an account's devices, from all that is recorded (`last_known.COLUMNS`)."""
    known, parts, gathered = pl.DataFrame(schema=COLUMNS), [], 0
    for put in _contributions(connection, account):
        parts.append(put)
        gathered += put.height
        if gathered > max(_GATHERED, known.height):  # thousands of small runs go through the fleet a few times only
            known, parts, gathered = _merged([known, *parts]), [], 0
    return _merged([known, *parts])


def put_by(connection: Connection, run_id: str) -> pl.DataFrame:
    """What one run did to its devices (`last_known.COLUMNS`). Those it did nothing to are missing."""
    rows, ends = read_frame(connection, _rows(run_id), _ROWS), read_frame(connection, _ends(run_id), _ENDS)
    looked_at = connection.scalar(_looked_at(run_id))
    for half in Half:
        rows = rows.join(_ended(ends, half), on="row", how="left")
    told = [f"{half}_{what}" for half in Half for what in ("sent", "touched")]
    rows = rows.with_columns(pl.col(told).fill_null(value=False))
    touched = pl.any_horizontal(f"{half}_touched" for half in Half)
    judged = rows.with_columns(_judgement()).filter(pl.col("there") | touched | ~pl.col("none_done"))
    back = goal_of("sim_before", "endpoint_before", last_known.rules_of(connection, run_id))
    nowhere = pl.lit(None, pl.String)
    return (
        judged.with_columns(back=pl.when("none_done").then(back))
        .with_columns(
            desired=pl.when("there").then("desired").otherwise("back"),
            at=pl.max_horizontal("sim_at", "endpoint_at").fill_null(pl.lit(looked_at)),
            run_id=pl.lit(run_id),
            **{
                f"{half}_status": pl.when("there")
                .then(pl.when(pl.col("desired").is_not_null()).then(f"{half}_after"))
                .otherwise(pl.when(pl.col("back").is_not_null()).then(f"{half}_before").otherwise(nowhere))
                for half in Half
            },
            **{f"{half}_run": pl.when(pl.col(f"{half}_end").is_in(_SENT)).then(pl.lit(run_id)) for half in Half},
        )
        .with_columns(pl.when(f"{half}_sent").then(f"{half}_at").alias(f"{half}_at") for half in Half)
        .select(list(COLUMNS))
    )


def _contributions(connection: Connection, account: AccountKey) -> Iterator[pl.DataFrame]:
    pruned = set(connection.scalars(select(prunings.c.run_id)))
    query = (
        select(runs.c.run_id)
        .where(runs.c.kind.in_(SENDING), of_account(account))
        .order_by(runs.c.started_at, runs.c.run_id)
    )
    for run_id in connection.scalars(query).all():
        if run_id in pruned:
            left = select(*(baselines.c[name] for name in COLUMNS)).where(baselines.c.run_id == run_id)
            yield read_frame(connection, left, COLUMNS)
        else:
            yield put_by(connection, run_id)


def _merged(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Of every device what came last; of every half who sent it last."""
    both = pl.concat(parts)
    place = both.sort("at", "run_id").unique("sim_id", keep="last").select("sim_id", *_WHERE)
    for half in Half:
        sent = both.filter(pl.col(f"{half}_at").is_not_null()).sort(f"{half}_at", maintain_order=True)
        newest = sent.unique("sim_id", keep="last", maintain_order=True)
        place = place.join(newest.select("sim_id", f"{half}_run", f"{half}_at"), on="sim_id", how="left")
    return place.select(list(COLUMNS))


def _ended(ends: pl.DataFrame, half: Half) -> pl.DataFrame:
    """Of each row: how the half ended last, when that was noted, if it was ever sent, if anything came of it."""
    end = pl.col("outcome")
    told = {
        f"{half}_end": end.last(),
        f"{half}_at": pl.col("at").max(),
        f"{half}_sent": end.is_in(_SENT).any(),
        f"{half}_touched": end.is_in([*_DONE, *_SENT]).any(),
    }
    return ends.filter(pl.col("half") == half).sort("seq").group_by("row", maintain_order=True).agg(**told)


def _judgement() -> list[pl.Expr]:
    """Whether a row's device is where it was to be, and whether nothing came of any of its steps."""
    steps = pl.any_horizontal(f"{half}_step" for half in Half)
    as_asked = (pl.col("verdict") == Verdict.IN_SYNC).fill_null(value=False)
    all_done = pl.all_horizontal(~pl.col(f"{half}_step") | _in(half, _DONE) for half in Half)
    none_done = pl.all_horizontal(
        ~pl.col(f"{half}_step") | pl.col(f"{half}_end").is_null() | _in(half, _NOTHING_DONE) for half in Half
    )
    return [(as_asked | (steps & all_done)).alias("there"), none_done.alias("none_done")]


def _in(half: Half, words: list[str]) -> pl.Expr:
    return pl.col(f"{half}_end").is_in(words).fill_null(value=False)


def _rows(run_id: str) -> Select[tuple[object, ...]]:
    at_verdict = and_(verdicts.c.run_id == plan_rows.c.run_id, verdicts.c.row == plan_rows.c.row)
    moved = or_(plan_rows.c.endpoint_step, and_(plan_rows.c.sim_step, plan_rows.c.sim_after != plan_rows.c.sim_before))
    return (
        select(*(plan_rows.c[name] for name in _ROWS if name != "verdict"), verdicts.c.verdict)
        .select_from(plan_rows.outerjoin(verdicts, at_verdict))
        .where(
            plan_rows.c.run_id == run_id, plan_rows.c.sim_id.is_not(None), or_(plan_rows.c.desired.is_not(None), moved)
        )
        .where(plan_rows.c.action.in_([Action.CHANGE.value, Action.UNCHANGED.value]))
        .order_by(plan_rows.c.row)
    )


def _ends(run_id: str) -> Select[tuple[object, ...]]:
    seen = (outcomes.c.seq, outcomes.c.row, outcomes.c.half, outcomes.c.outcome, type_coerce(outcomes.c.at, Text))
    return select(*seen).where(outcomes.c.run_id == run_id)


def _looked_at(run_id: str) -> Select[tuple[str]]:
    """When the run began to look at its devices afresh, else when it began."""
    looking = select(func.max(type_coerce(run_states.c.at, Text))).where(
        run_states.c.run_id == run_id, run_states.c.state == RunState.RECONCILING.value
    )
    began = type_coerce(runs.c.started_at, Text)
    return select(func.coalesce(looking.scalar_subquery(), began)).where(runs.c.run_id == run_id)

"""Where simtandem last put each device of an account: a table kept up to date, so that nobody reads years for it.

One line a SIM of an account; the carrier's host is a plain one, however runs spelled it. `desired`, `sim_status` and
`endpoint_status` are where it was put, null where that is not known (partly changed, unanswered) or where no status
asks for it (an undo brings back such states); `at` is when that was sent, in run `run_id` by its row. `sim_run` and
`sim_at` say which run last sent that half and when, and so do those of the endpoint; the run is null where it took the
half back.

The table follows from the facts of the runs (`derived` works it out from them, and `verify` compares the two), and
changes in the transaction that records those: what was sent last counts, whichever run began first.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

import polars as pl
from sqlalchemy import ColumnElement, Connection, TextClause, and_, bindparam, delete, select, text

from schemas.accounts import DEFAULT, AccountKey
from schemas.tables import Managed, empty
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.lifecycle import Lifecycle
from simtandem.ledger.accounts import ACCOUNT
from simtandem.ledger.column_reader import read_columns
from simtandem.ledger.tables import last_known, plan_rows, runs

_ROWS_AT_ONCE = 1_000
_FEW = (1, 2, 4, 8, 16)
"""Rows that end together while SIMs are sent one by one. For so many a statement is made once, and found again by its
text: to make it, and to have the database plan it, takes several times longer than to carry it out."""
_KEPT = (
    *("run_id", '"row"', "endpoint_id", "desired", "sim_status", "endpoint_status", "at"),
    *("sim_run", "sim_at", "endpoint_run", "endpoint_at"),
)
COLUMNS = pl.Schema(
    {"sim_id": pl.String(), **{name.strip('"'): pl.String() for name in _KEPT}, "row": pl.Int64()},
)
"""What the table holds of an account's devices."""
OTHERS = pl.Schema(dict.fromkeys(("account", "sim_id", "endpoint_id", "iccid"), pl.String()))
"""Which account a device was seen to be of, and its ids."""


def note_outcomes(connection: Connection, run_id: str, rows: Iterable[int]) -> None:
    """Steps of these rows have ended: record where their devices are now. Called after the outcomes are inserted."""
    each = sorted(set(rows))
    if not each:
        return
    values, carrier = _values(connection, run_id)
    for size in (few for few in _FEW if len(each) <= few):
        padded = each + each[-1:] * (size - len(each))
        connection.execute(
            _statement_for_few(carrier, size), {**values, **dict(zip(_names(size), padded, strict=True))}
        )
        return
    for start in range(0, len(each), _ROWS_AT_ONCE):
        listed = ", ".join(str(int(row)) for row in each[start : start + _ROWS_AT_ONCE])
        connection.execute(text(_statement_for(listed, carrier)), values)


def note_verdicts(connection: Connection, run_id: str) -> None:
    """A run was judged: add the devices that were as asked without, or in spite of, how its steps ended."""
    values, carrier = _values(connection, run_id)
    statement = _statement("", "x.as_asked AND NOT (x.steps AND x.all_done)", lifecycle_of(carrier))
    connection.execute(text(statement), values)


def read(connection: Connection, account: AccountKey, schema: pl.Schema = COLUMNS) -> pl.DataFrame:
    """What is known of an account's devices (`COLUMNS`, or some of them)."""
    query = select(*(last_known.c[name] for name in schema)).where(_of(account))
    return read_columns(connection, query, schema)


def read_managed(connection: Connection, account: AccountKey) -> pl.DataFrame:
    """The devices that were put somewhere, as `schemas.tables.Managed`."""
    wanted = list(empty(Managed).schema)
    at = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms", time_zone="UTC")
    schema = pl.Schema({name: COLUMNS[name] for name in wanted})
    return read(connection, account, schema).with_columns(at)


def read_others(connection: Connection, account: AccountKey) -> pl.DataFrame:
    """The devices that runs of other accounts put somewhere, at whichever host (`OTHERS`).

    The ICCID is the plan's, and null where the run was pruned since.
    """
    rows = and_(plan_rows.c.run_id == last_known.c.run_id, plan_rows.c.row == last_known.c.row)
    query = (
        select(last_known.c.account, last_known.c.sim_id, last_known.c.endpoint_id, plan_rows.c.iccid)
        .select_from(last_known.outerjoin(plan_rows, rows))
        .where(last_known.c.account != account.name)
    )
    return read_columns(connection, query, OTHERS)


def replace(connection: Connection, account: AccountKey, known: pl.DataFrame) -> None:
    """Forget what is known of an account's devices, and know this (`COLUMNS`) instead."""
    connection.execute(delete(last_known).where(_of(account)))
    names = ", ".join(("account", "carrier_host", *(f'"{name}"' for name in known.columns)))
    place = "%s" if connection.dialect.name == "postgresql" else "?"
    places = ", ".join([place] * (known.width + 2))
    for some in known.select(pl.lit(account.name), pl.lit(account.host).alias("host"), pl.all()).iter_slices(
        _ROWS_AT_ONCE
    ):
        if some.height:
            connection.exec_driver_sql(f"INSERT INTO last_known ({names}) VALUES ({places})", some.rows())  # noqa: S608 - fixed names


def _of(account: AccountKey) -> ColumnElement[bool]:
    return and_(last_known.c.account == account.name, last_known.c.carrier_host == account.host)


def _values(connection: Connection, run_id: str) -> tuple[dict[str, object], str]:
    """What statements about a run are given, and the name of its carrier."""
    found = connection.execute(_RUN, {"run_id": run_id}).one_or_none()
    name, host, carrier = found or (DEFAULT, "", "")
    account = AccountKey(name, host)
    return {"run_id": run_id, "account": account.name, "carrier_host": account.host}, carrier


_RUN = select(ACCOUNT, runs.c.carrier_host, runs.c.carrier).where(runs.c.run_id == bindparam("run_id"))


def rules_of(connection: Connection, run_id: str) -> Lifecycle:
    """The rules of the carrier that a run was at."""
    return lifecycle_of(connection.scalar(select(runs.c.carrier).where(runs.c.run_id == run_id)) or "")


@cache
def _statement_for_few(carrier: str, size: int) -> TextClause:
    return text(_statement_for(", ".join(f":{name}" for name in _names(size)), carrier))


def _names(size: int) -> list[str]:
    return [f"row_{number}" for number in range(size)]


def _statement_for(listed: str, carrier: str) -> str:
    return _statement(f'AND o."row" IN ({listed})', f'p."row" IN ({listed})', lifecycle_of(carrier))


def _statement(ends: str, which: str, rules: Lifecycle) -> str:
    names = ", ".join(("account", "carrier_host", "sim_id", *_KEPT))
    within, after = ("", which) if which.startswith("x.") else (f"AND {which}", "1 = 1")
    return f"""
        INSERT INTO last_known ({names})
        SELECT {names} FROM ({_PUT.format(ends=ends, which=within, goals=_goals(rules))}) x
        WHERE (x.there OR x.touched OR NOT x.none_done) AND {after}
        ON CONFLICT (account, carrier_host, sim_id) DO UPDATE SET {_MERGED}
    """  # noqa: S608 - fixed names and numbers


def _newest(half: str, ends: str) -> str:
    """Of each row's half: its newest outcome, when the last was recorded, and whether anything ever came of it.

    `touched` is 2 where it was sent, or may have been; 1 where it was found as wanted.
    """
    return f"""
        LEFT JOIN (
            SELECT o."row", max(o.seq) AS newest, max(o.at) AS at,
                max(CASE WHEN o.outcome IN ('applied', 'unknown', 'accepted') THEN 2
                    WHEN o.outcome = 'unchanged' THEN 1 ELSE 0 END) AS touched
            FROM outcomes o WHERE o.run_id = :run_id AND o.half = '{half}' {ends} GROUP BY o."row"
        ) {half}_ends ON {half}_ends."row" = p."row"
        LEFT JOIN outcomes {half} ON {half}.seq = {half}_ends.newest
    """  # noqa: S608 - fixed names


def _half(half: str) -> str:
    end, sent = f"{half}.outcome", f"{half}_ends.touched = 2"
    return f"""
        (NOT p.{half}_step OR coalesce({end} IN ('applied', 'unchanged'), false)) AS {half}_done,
        (NOT p.{half}_step OR {end} IS NULL OR {end} IN ('held', 'refused', 'failed')) AS {half}_not_done,
        CASE WHEN {sent} AND {end} IN ('applied', 'unknown', 'accepted') THEN p.run_id END AS {half}_run,
        CASE WHEN {sent} THEN {half}_ends.at END AS {half}_at
    """


_ROWS = f"""
    SELECT CAST(:account AS TEXT) AS account, CAST(:carrier_host AS TEXT) AS carrier_host,
        p.sim_id, p.endpoint_id, p.run_id, p."row", p.desired, p.sim_before, p.endpoint_before,
        p.sim_after, p.endpoint_after, (p.sim_step OR p.endpoint_step) AS steps,
        coalesce(v.verdict = 'in_sync', false) AS as_asked, {_half("sim")}, {_half("endpoint")},
        coalesce(sim_ends.touched > 0, false) OR coalesce(endpoint_ends.touched > 0, false) AS touched,
        CASE WHEN endpoint_ends.at IS NULL OR sim_ends.at >= endpoint_ends.at THEN sim_ends.at
            ELSE endpoint_ends.at END AS ended_at,
        coalesce((SELECT max(s.at) FROM run_states s WHERE s.run_id = p.run_id AND s.state = 'reconciling'),
            r.started_at) AS looked_at
    FROM plan_rows p
    JOIN runs r ON r.run_id = p.run_id
    {_newest("sim", "{ends}")}
    {_newest("endpoint", "{ends}")}
    LEFT JOIN verdicts v ON v.run_id = p.run_id AND v."row" = p."row"
    WHERE p.run_id = :run_id {{which}} AND r.kind IN ('apply', 'retry', 'undo')
        AND p.sim_id IS NOT NULL AND p.action IN ('change', 'unchanged')
        AND (p.desired IS NOT NULL OR p.endpoint_step OR (p.sim_step AND p.sim_after <> p.sim_before))
"""  # noqa: S608 - fixed names


def _goals(rules: Lifecycle) -> str:
    """The goal's word for each pair of statuses that a goal of the carrier describes, as the branches of a CASE."""
    beside = {goal: f"= {_quoted(goal.endpoint)}" if goal.endpoint else "IS NULL" for goal in rules.goals}
    branches = (
        f"WHEN w.sim_before = {_quoted(goal.sim)} AND w.endpoint_before {endpoint} THEN {_quoted(goal.word)}"
        for goal, endpoint in beside.items()
    )
    return " ".join(branches) or "WHEN 1 = 0 THEN ''"


def _quoted(word: str) -> str:
    """A word of an adapter's table, in a statement that is formatted once more and has its values by name."""
    if not re.fullmatch(r"[\w -]+", word):
        raise ValueError(f"{word!r} can't be in a statement")
    return f"'{word}'"


_JUDGED = f"""
    SELECT w.*, w.sim_done AND w.endpoint_done AS all_done, w.sim_not_done AND w.endpoint_not_done AS none_done,
        w.as_asked OR (w.steps AND w.sim_done AND w.endpoint_done) AS there,
        w.desired IS NOT NULL AND (w.as_asked OR (w.steps AND w.sim_done AND w.endpoint_done)) AS named,
        CASE {{goals}} END AS back
    FROM ({_ROWS}) w
"""  # noqa: S608 - fixed names
_PUT = f"""
    SELECT j.account, j.carrier_host, j.sim_id, j.run_id, j."row", j.endpoint_id, j.sim_run, j.sim_at, j.endpoint_run,
        j.endpoint_at, coalesce(j.ended_at, j.looked_at) AS at, j.there, j.touched, j.none_done, j.all_done, j.steps,
        j.as_asked,
        CASE WHEN j.there THEN j.desired WHEN j.none_done THEN j.back END AS desired,
        CASE WHEN j.named THEN j.sim_after WHEN j.there THEN NULL
            WHEN j.none_done AND j.back IS NOT NULL THEN j.sim_before END AS sim_status,
        CASE WHEN j.named THEN j.endpoint_after WHEN j.there THEN NULL
            WHEN j.none_done AND j.back IS NOT NULL THEN j.endpoint_before END AS endpoint_status
    FROM ({_JUDGED}) j
"""  # noqa: S608 - fixed names
"""Where a run put its devices. What the run took back is where it was before, if a status asks for that."""


def _merge(names: Sequence[str], when: str) -> str:
    return ", ".join(f"{name} = CASE WHEN {when} THEN excluded.{name} ELSE last_known.{name} END" for name in names)


def _later(half: str) -> str:
    new, old = f"excluded.{half}_at", f"last_known.{half}_at"
    return _merge([f"{half}_run", f"{half}_at"], f"{new} IS NOT NULL AND ({old} IS NULL OR {new} >= {old})")


_NEWER = """excluded.run_id = last_known.run_id OR excluded.at > last_known.at
    OR (excluded.at = last_known.at AND excluded.run_id > last_known.run_id)"""
_MERGED = ", ".join((_merge(_KEPT[:7], _NEWER), _later("sim"), _later("endpoint")))

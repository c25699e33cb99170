"""What the ledger keeps of SIM actions: recording and reading it. Every function is one transaction."""

from datetime import datetime

import polars as pl
from sqlalchemy import Select, Text, and_, case, func, not_, or_, select, type_coerce

from schemas.accounts import AccountKey
from schemas.sim_actions import ActionOutcomes, ActionPlan, ActionResults, SimAction
from schemas.statuses import Outcome
from schemas.tables import empty
from simtandem.ledger import inserts
from simtandem.ledger.accounts import of_account
from simtandem.ledger.action_tables import action_outcomes, action_rows, action_verdicts
from simtandem.ledger.commit import commit
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.queries import read_frame
from simtandem.ledger.records import RunKind
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import answers, calls, runs

CALLS = pl.Schema(dict.fromkeys(("run_id", "at", "path", "body"), pl.String()))
RESETS = pl.Schema(
    {
        **dict.fromkeys(("run_id", "at", "path"), pl.String()),
        "status": pl.Int64(),
        "sha256": pl.String(),
        "judged": pl.Boolean(),
    }
)
PAIRS = pl.Schema(dict.fromkeys(("sim_id", "endpoint_id", "at"), pl.String()))
_TIMED_OUT = 408
_NEVER_LEFT = ("ConnectError", "ConnectTimeout", "PoolTimeout")


def record_plan(ledger: Ledger, run_id: str, plan: pl.DataFrame) -> None:
    """Record the plan (`schemas.sim_actions.ActionPlan`), all of it or nothing."""
    commit(ledger.database, run_id, lambda chain: inserts.add_frame(chain, Kind.ACTION_PLAN, plan))


def record_verdicts(ledger: Ledger, run_id: str, results: pl.DataFrame) -> None:
    """Record what became of every input row (`schemas.sim_actions.ActionResults`)."""
    commit(ledger.database, run_id, lambda chain: inserts.add_frame(chain, Kind.ACTION_VERDICT, results))


def read_plan(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """The plan; no rows where none was recorded. Raises `InputError` where the run was pruned."""
    schema = empty(ActionPlan).schema
    query = select(*(action_rows.c[name] for name in schema)).where(action_rows.c.run_id == run_id)
    return ledger.detail(run_id, lambda connection: read_frame(connection, query.order_by(action_rows.c.row), schema))


def read_outcomes(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """The newest outcome of every row (`ActionOutcomes`). Raises `InputError` where the run was pruned."""
    schema = empty(ActionOutcomes).schema
    of_run = action_outcomes.c.run_id == run_id
    newest = select(func.max(action_outcomes.c.seq)).where(of_run).group_by(action_outcomes.c.row)
    query = select(*(action_outcomes.c[name] for name in schema)).where(action_outcomes.c.seq.in_(newest))
    return ledger.detail(run_id, lambda connection: read_frame(connection, query, schema)).sort("row")


def read_results(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """What became of every input row, as it was recorded. Raises `InputError` where the run was pruned."""
    schema = empty(ActionResults).schema
    query = select(*(action_verdicts.c[name] for name in schema)).where(action_verdicts.c.run_id == run_id)
    return ledger.detail(
        run_id, lambda connection: read_frame(connection, query.order_by(action_verdicts.c.row), schema)
    )


def resets_sent(ledger: Ledger, account: AccountKey, since: datetime) -> pl.DataFrame:
    """The actions that runs of an account sent since then (`RESETS`), oldest first, with their answers.

    `judged` is whether the run came to its end, `sha256` the file's. A call that never left has no line.
    """
    judged = select(action_verdicts.c.run_id).where(action_verdicts.c.run_id == runs.c.run_id).exists()
    query = (
        select(
            calls.c.run_id,
            type_coerce(calls.c.at, Text),
            calls.c.path,
            answers.c.status,
            runs.c.sha256,
            case((judged, True), else_=False),
        )
        .select_from(calls.outerjoin(answers).join(runs, runs.c.run_id == calls.c.run_id))
        .where(calls.c.run_id.in_(_runs_of(account)), calls.c.purpose == "change")
        .where(calls.c.at >= since, or_(answers.c.fault.is_(None), answers.c.fault.not_in(_NEVER_LEFT)))
        .order_by(calls.c.at, calls.c.call_id)
    )
    return ledger.database.reading(lambda connection: read_frame(connection, query, RESETS))


def calls_sent(ledger: Ledger, account: AccountKey) -> pl.DataFrame:
    """The actions that runs of an account sent and that were not refused, as `run_id, at, path, body`; oldest first.

    `at` is text that sorts by time. A 408 is no refusal: the call may have been carried out.
    """
    refused = answers.c.status.between(400, 499) & (answers.c.status != _TIMED_OUT)
    query = (
        select(calls.c.run_id, type_coerce(calls.c.at, Text), calls.c.path, calls.c.body)
        .select_from(calls.outerjoin(answers))
        .where(calls.c.run_id.in_(_runs_of(account)), calls.c.purpose == "change")
        .where(or_(answers.c.status.is_(None), not_(refused)))
        .order_by(calls.c.at, calls.c.call_id)
    )
    return ledger.database.reading(lambda connection: read_frame(connection, query, CALLS))


def pairs_made(ledger: Ledger, account: AccountKey) -> pl.DataFrame:
    """Where SIM actions of an account last put each SIM (`PAIRS`): its endpoint, null where it was released."""
    done = and_(action_outcomes.c.run_id == action_rows.c.run_id, action_outcomes.c.row == action_rows.c.row)
    query = (
        select(
            action_rows.c.sim_id,
            case((action_rows.c.action == SimAction.ASSIGN.value, action_rows.c.endpoint_id), else_=None),
            type_coerce(action_outcomes.c.at, Text),
        )
        .select_from(action_outcomes.join(action_rows, done))
        .where(action_outcomes.c.run_id.in_(_runs_of(account)), action_outcomes.c.outcome == Outcome.APPLIED.value)
        .where(action_rows.c.action.in_([SimAction.ASSIGN.value, SimAction.RELEASE.value]))
        .where(action_rows.c.sim_id.is_not(None))
        .order_by(action_outcomes.c.seq)
    )
    found = ledger.database.reading(lambda connection: read_frame(connection, query, PAIRS))
    return found.unique("sim_id", keep="last", maintain_order=True)


def _runs_of(account: AccountKey) -> Select[tuple[str]]:
    """The runs of SIM actions of an account. As a subquery: joined, a database may read every call there is first."""
    return select(runs.c.run_id).where(of_account(account), runs.c.kind == RunKind.ACTION.value)

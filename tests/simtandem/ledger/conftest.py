"""Every test that takes `url`, `new_url` or `ledger` runs on SQLite and on PostgreSQL.

PostgreSQL is found by SIMTANDEM_TEST_POSTGRES_URL, or on this machine's usual port. Where none answers its tests are
skipped; with CI=true they fail, so that they can't go missing unnoticed.
"""

import asyncio
import getpass
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import polars as pl
import psycopg
import pytest
from psycopg import sql

from schemas.sim_actions import ActionPlan, ActionResults
from schemas.statuses import Half, Outcome
from schemas.tables import Explained, Plan, Rejected, Results, Table, empty
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger import action_records, explanations, run_files
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import ActionEnd, OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.run_files import KeptFile
from simtandem.ledger.store import Ledger

Lock = Callable[[str], AbstractContextManager[None]]


class Clock:
    """Stands still until it is told the time."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 23, 59, 59, 123_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(
        url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=30
    )  # a busy machine is slow


def postgres_url() -> str:
    """Where the tests look for PostgreSQL."""
    own = f"postgresql+psycopg://{getpass.getuser()}@127.0.0.1:5432/postgres"
    return os.environ.get("SIMTANDEM_TEST_POSTGRES_URL") or own


@pytest.fixture(scope="session")
def postgres_server() -> str:
    url = postgres_url()
    try:
        connect(url).close()
    except psycopg.OperationalError as error:
        reason = f"no PostgreSQL answers (set SIMTANDEM_TEST_POSTGRES_URL to one): {str(error).splitlines()[0]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return url


@contextmanager
def schemas_on(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes URLs, each with an empty schema of its own, until the end."""
    made: list[str] = []

    def make() -> str:
        name = f"ledger_{secrets.token_hex(6)}"
        with connect(postgres_server) as server:
            server.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        made.append(name)
        return f"{postgres_server}?options={quote(f'-csearch_path={name} -csynchronous_commit=off')}"

    yield make
    with connect(postgres_server) as server:
        for name in made:
            server.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


@pytest.fixture
def new_schema(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes URLs, each with an empty schema of its own."""
    with schemas_on(postgres_server) as make:
        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes URLs, each of an empty place for a ledger."""
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_schema")
        return make
    return lambda: f"sqlite:///{tmp_path}/{secrets.token_hex(4)}/ledger.db"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/ledger.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str, clock: Clock) -> Iterator[Ledger]:
    with closing(Ledger.open(url, busy_timeout=5, clock=clock)) as opened:
        yield opened


@pytest.fixture
def lock() -> Lock:
    """Another program that keeps the ledger's tables to itself."""

    @contextmanager
    def hold(url: str) -> Iterator[None]:
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(urlsplit(url).path, isolation_level=None)) as holder:
                holder.execute("BEGIN EXCLUSIVE")
                yield
        else:
            assert parse_qs(urlsplit(url).query)["options"]
            with connect(url) as other, other.transaction():
                other.execute("LOCK TABLE runs, calls, answers, outcomes IN ACCESS EXCLUSIVE MODE")
                yield

    return hold


def run_record(run_id: str = "20260131-a", **given: object) -> RunRecord:
    """A run's record; what isn't given is ordinary."""
    values: dict[str, object] = {
        "run_id": run_id,
        "kind": RunKind.APPLY,
        "carrier": "emnify",
        "carrier_host": "cdn.emnify.net",
        "file": "devices.csv",
        "sha256": "e3b0",
        "rows": 3,
        "rejected": 1,
        "parameters": {"to": "activated", "batch_size": 500},
        "os_user": "ada",
        "host": "elsewhere",
        "pid": 4711,
        "started_at": datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    }
    return RunRecord(**values | given)  # type: ignore[arg-type]


@pytest.fixture
def a_run() -> Callable[..., RunRecord]:
    """Makes run records; what isn't given is ordinary."""
    return run_record


@pytest.fixture
def plan() -> pl.DataFrame:
    return plan_rows()


def plan_rows() -> pl.DataFrame:
    """A change, a refusal with nothing known, and a repeat with everything a spreadsheet could trip over."""
    columns = {
        "row": [2, 3, 4],
        "sim_id": ["11", None, "11"],
        "iccid": ["8988303000000000011", None, "8988303000000000011"],
        "endpoint_id": ["21", None, "21"],
        "sim_before": ["Issued", None, "Issued"],
        "endpoint_before": ["Disabled", None, "Disabled"],
        "desired": ["activated", "suspended", "activated"],
        "sim_after": ["Activated", None, "Activated"],
        "endpoint_after": ["Enabled", None, "Enabled"],
        **dict.fromkeys(("owners_before", "owners_after", "named_as"), [None] * 3),
        "sim_step": [True, False, False],
        "endpoint_step": [True, False, False],
        "first": ["endpoint", None, None],
        "action": ["change", "refused", "repeat"],
        "reason": ["", 'is not in the listing: "ä, ö"\n\\.\nand a third line;\r\t\\N', "same as row 2"],
        "newly_billed": [True, False, False],
        "same_as": [None, None, 2],
    }
    return Plan.validate(pl.DataFrame(columns, schema=empty(Plan).schema))


@pytest.fixture
def rejected() -> pl.DataFrame:
    return rejected_rows()


def rejected_rows() -> pl.DataFrame:
    columns = {
        "row": [5, 7],
        "column": ["iccid", ""],
        "value": ["8.98830E+18", ""],
        "reason": ["precision is gone", "empty"],
    }
    return Rejected.validate(pl.DataFrame(columns))


@pytest.fixture
def results() -> pl.DataFrame:
    return results_rows()


def results_rows() -> pl.DataFrame:
    columns = {
        "row": [2, 5],
        "sim_id": ["11", None],
        "iccid": ["8988303000000000011", None],
        "endpoint_id": ["21", None],
        "desired": ["activated", None],
        "before": ["Issued / Disabled", ""],
        "after": ["Activated / Enabled", ""],
        "sim_outcome": ["applied", None],
        "endpoint_outcome": ["unchanged", None],
        "verdict": ["in_sync", "refused"],
        "reason": ["", "precision is gone"],
        "attempts": [2, 0],
        "http_status": [204, None],
        "error": ["", ""],
        **dict.fromkeys(("owners", "owners_before", "owners_after", "named_as"), [None] * 2),
    }
    return Results.validate(pl.DataFrame(columns, schema=empty(Results).schema))


def explained() -> pl.DataFrame:
    """A change of ours and one that nobody explains."""
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    pair = {"sim_id": "11", "iccid": "8988303000000000011", "endpoint_id": "21", "since": moment, "seen": moment}
    rows: list[dict[str, object]] = [
        {"half": "sim", "ident": "11", "before": "Issued", "after": "Activated", "cause": "ours", "at": moment}
        | {"event_id": "5", "user": "Ada", "run_id": "20260131-a", "row": 2, "explanation": "by us"},
        {"half": "endpoint", "ident": "21", "before": "Disabled", "after": "Enabled", "cause": "unexplained"}
        | {"at": None, "event_id": None, "user": None, "run_id": None, "row": None, "explanation": "by nobody"},
    ]
    return Explained.validate(pl.DataFrame([{**row, **pair} for row in rows], schema=empty(Explained).schema))


def a_row_of(table: type[Table]) -> pl.DataFrame:
    """One row of such a table, with something in every column."""
    schema = empty(table).schema
    values = {pl.String: "x", pl.Boolean: True, pl.Int64: 2}
    return pl.DataFrame({name: [values[kind.base_type()]] for name, kind in schema.items()}, schema=schema)


def record_two_runs(ledger: Ledger) -> None:
    """Everything a run can record, twice: in the run that `a_run` makes, and in another."""

    async def send(run_id: str) -> None:
        async with CallWriter(ledger, run_id) as journal:
            for path, answer in (("/sim/11", Answer(204, 0.1, None, "", "req-1")), ("/sim/12", Answer(None, 30.0))):
                await journal.answer(await journal.intent(Call("PATCH", path, "change", 1, "{}")), answer)
            await journal.outcome([OutcomeRecord(2, Half.SIM, Outcome.UNKNOWN, 1, None, "no answer")])
            await journal.outcome([OutcomeRecord(2, half, Outcome.APPLIED, 2, 204) for half in Half])
            await journal.action_outcome([ActionEnd(2, Outcome.APPLIED, 1, 204)])

    for run_id in ("another", "20260131-a"):
        ledger.start_run(run_record(run_id))
        ledger.record_rejected(run_id, rejected_rows())
        ledger.record_plan(run_id, plan_rows())
        ledger.record_state(run_id, RunState.PLANNED, {"digest": "ab12"})
        asyncio.run(send(run_id))
        explanations.record(ledger, run_id, explained())
        run_files.record(ledger, run_id, [KeptFile("work/plan.parquet", "ab12", 9)])
        ledger.record_own(run_id, pl.DataFrame({"row": [2], "site": ["Depot 7"]}))
        action_records.record_plan(ledger, run_id, a_row_of(ActionPlan))
        action_records.record_verdicts(ledger, run_id, a_row_of(ActionResults))
        ledger.record_verdicts(run_id, results_rows())
        ledger.record_state(run_id, RunState.FINISHED, {"exit_code": 1}, sealed=True)


@pytest.fixture
def whole_run(ledger: Ledger) -> Ledger:
    """A ledger with everything a run can record."""
    record_two_runs(ledger)
    return ledger


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The same for all of a module's tests that leave it as it was; they fail if one has not."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('kept')}/ledger.db"
        if request.param == "postgresql":
            url = stack.enter_context(schemas_on(request.getfixturevalue("postgres_server")))()
        ledger = stack.enter_context(closing(Ledger.open(url, busy_timeout=5, clock=Clock())))
        record_two_runs(ledger)
        heads = ledger.heads(["another", "20260131-a"])
        yield ledger
        assert ledger.heads(["another", "20260131-a"]) == heads

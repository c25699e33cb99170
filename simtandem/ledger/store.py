"""The ledger as the rest of simtandem sees it."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

import polars as pl
from sqlalchemy import Connection

from schemas import own_columns
from schemas.accounts import AccountKey
from simtandem.errors import InputError
from simtandem.host import clock
from simtandem.host.processes import process_may_run
from simtandem.ledger import (
    action_tables,  # noqa: F401 - so that the tables' metadata is whole wherever a ledger is opened
    inserts,
    last_known,
    queries,
    run_summaries,
    schedule_tables,  # noqa: F401 - likewise
    sharing_tables,  # noqa: F401 - likewise
)
from simtandem.ledger.commit import commit
from simtandem.ledger.database import Database
from simtandem.ledger.integrity import heads
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.integrity.heads import Entry
from simtandem.ledger.integrity.kept_heads import HeadsFile
from simtandem.ledger.records import (
    CallCounts,
    ChainHead,
    OutcomeRecord,
    ProcessProbe,
    PruningRecord,
    RunKind,
    RunRecord,
    RunState,
    RunSummary,
    StateRecord,
)
from simtandem.ledger.tables import REVISION
from simtandem.text.redaction import redacted_frame

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE_S = 300.0
"""How long the ledger is waited for: longer than a pruning, a backup or a failover takes."""


def now() -> datetime:
    """The time, in UTC."""
    return clock.now()


class Ledger:
    """What happened, durably. Every method is one transaction, safe in any thread, and raises `LedgerError`.

    A database that is away for a while is waited for, as is someone else's lock; the wait is reported.

    Nothing recorded is ever changed: a plan, the rejected rows and the verdicts are recorded once a run, and a second
    time is an error.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime] = now, heads_file: HeadsFile | None = None
    ) -> None:
        self.database = database
        self.clock = clock
        self.heads_file = heads_file

    @classmethod
    def open(
        cls,
        url: str,
        *,
        busy_timeout: float = PATIENCE_S,
        clock: Callable[[], datetime] = now,
        heads_file: Path | None = None,
    ) -> Self:
        """Open a ledger, making it or bringing it up to date where needed; several programs may do so at once.

        `url` is `sqlite:///` and a path (its folder is made), or `postgresql+psycopg://…`. `busy_timeout` is how many
        seconds to wait for a lock, or for a database that is away, before giving up. One that is away when it is opened
        is an error at once, `LedgerUnavailable`: nothing depends on it yet. `heads_file` gets a line with each new
        entry of the ledger's heads.
        """
        database = Database(url, busy_timeout)
        try:
            _bring_up_to_date(database)
        except BaseException:
            database.close()
            raise
        database.outage_s = busy_timeout
        return cls(database, clock, None if heads_file is None else HeadsFile(heads_file, database.place))

    def close(self) -> None:
        """Close every connection."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_run(self, run: RunRecord) -> None:
        """Record that a run begins. Everything else about it refers to this."""
        self.keep(commit(self.database, run.run_id, _adding(Kind.RUN, lambda: [inserts.run_row(run)])))

    def keep(self, entry: Entry | None) -> None:
        """Have a new entry of the ledger's heads remembered outside the ledger."""
        if entry is not None and self.heads_file is not None:
            self.heads_file.append(entry)

    def record_state(self, run_id: str, state: RunState, detail: Mapping[str, object], *, sealed: bool = False) -> None:
        """Record how far a run is. `detail` is kept as JSON; what JSON doesn't know is kept as text.

        `sealed`, for a state that ends the run: `detail["chain"]` keeps the head before it and the number of facts up
        to there, so that facts can't be taken from under it.
        """

        def add(chain: Chain) -> None:
            before = queries.read_head(chain.connection, run_id) if sealed else None
            seal = {"chain": {"head": before.hash, "facts": before.facts}} if before else {}
            row = inserts.state_row(run_id, self.clock(), state, {**detail, **seal})
            inserts.add_facts(chain, Kind.STATE, [row])

        entry = commit(self.database, run_id, add)
        self.keep(entry)
        if sealed and entry is not None:
            log.info(entry.spoken)

    def record_plan(self, run_id: str, plan: pl.DataFrame) -> None:
        """Record the plan (`schemas.tables.Plan`), all of it or nothing."""
        self._record_table(run_id, Kind.PLAN, plan)

    def record_rejected(self, run_id: str, rejected: pl.DataFrame) -> None:
        """Record the unusable input rows (`schemas.tables.Rejected`)."""
        self._record_table(run_id, Kind.REJECTION, rejected)

    def record_own(self, run_id: str, own: pl.DataFrame) -> None:
        """Record the operator's own columns (`schemas.own_columns`) of the input rows."""
        self._record_table(run_id, Kind.OWN_CELLS, own_columns.encoded(redacted_frame(own)))

    def record_outcomes(self, run_id: str, records: Sequence[OutcomeRecord]) -> None:
        """Record how steps ended. A later outcome of the same row and half takes the place of an earlier one."""
        rows = inserts.outcome_rows(run_id, self.clock(), records)
        commit(self.database, run_id, _adding(Kind.OUTCOME, lambda: rows))

    def record_verdicts(self, run_id: str, results: pl.DataFrame) -> None:
        """Record what became of every input row (`schemas.tables.Results`)."""
        self._record_table(run_id, Kind.VERDICT, results)

    def _record_table(self, run_id: str, kind: Kind, table: pl.DataFrame) -> None:
        commit(self.database, run_id, lambda chain: inserts.add_frame(chain, kind, table))

    def runs(self, limit: int = 20, *, may_run: ProcessProbe = process_may_run, account: str = "") -> list[RunSummary]:
        """The newest runs, newest first, of that account alone where one is named.

        An unfinished one whose process is gone is shown as interrupted.
        """
        return self.database.reading(lambda connection: run_summaries.read_runs(connection, limit, may_run, account))

    def run(
        self,
        run_id: str,
        *,
        may_run: ProcessProbe = process_may_run,
        kinds: Collection[RunKind] = tuple(RunKind),
        account: str = "",
    ) -> RunSummary:
        """One run, by its id or the beginning of it, or the `latest` of these kinds and of that account.

        Raises `InputError` where that fits none, or several.
        """
        return self.database.reading(
            lambda connection: run_summaries.read_run(connection, run_id, may_run, kinds, account)
        )

    def states(self, run_id: str) -> list[StateRecord]:
        """All states a run went through, oldest first."""
        return self.database.reading(lambda connection: queries.read_states(connection, run_id))

    def plan(self, run_id: str) -> pl.DataFrame:
        """The plan (`schemas.tables.Plan`); no rows where none was recorded."""
        return self.detail(run_id, lambda connection: queries.read_plan(connection, run_id))

    def rejected(self, run_id: str) -> pl.DataFrame:
        """The unusable input rows (`schemas.tables.Rejected`)."""
        return self.detail(run_id, lambda connection: queries.read_rejected(connection, run_id))

    def own(self, run_id: str) -> pl.DataFrame:
        """The operator's own columns of the input rows: `row`, and a column each (`schemas.own_columns`)."""
        return own_columns.decoded(self.detail(run_id, lambda connection: queries.read_own(connection, run_id)))

    def own_names(self, run_id: str) -> list[str]:
        """The names of those columns."""
        first = self.database.reading(lambda connection: queries.read_own(connection, run_id, rows=1))
        return own_columns.names(own_columns.decoded(first))

    def outcomes(self, run_id: str) -> pl.DataFrame:
        """The newest outcome of every row's half (`schemas.tables.Outcomes`)."""
        return self.detail(run_id, lambda connection: queries.read_outcomes(connection, run_id))

    def results(self, run_id: str) -> pl.DataFrame:
        """What became of every input row (`schemas.tables.Results`), as it was recorded."""
        return self.detail(run_id, lambda connection: queries.read_results(connection, run_id))

    def calls(self, run_id: str) -> pl.DataFrame:
        """Every call and its answer, oldest first.

        Columns: call_id, at, method, path, purpose, attempt, body, answered_at, status, seconds, error_code, fault,
        request_id; instants in UTC. From `answered_at` on they are null where no answer is recorded.
        """
        return self.detail(run_id, lambda connection: queries.read_calls(connection, run_id))

    def changes_sent(self, run_id: str) -> pl.DataFrame:
        """The changes this run sent.

        Columns `run_id, at, path, body, refused`, oldest first; `at` is text that sorts by time.
        """
        return self.detail(run_id, lambda connection: queries.changes_sent(connection, run_id))

    def changes_at(
        self, account: AccountKey, *, but_for: str = "", since: datetime | None = None, judged: bool = False
    ) -> pl.DataFrame:
        """The changes that runs sent to a carrier, as `changes_sent` shows them, those of the run `but_for` left out.

        By default only of runs that were killed before they were judged: `last_known` has what the others did.
        """
        return self.database.reading(
            lambda connection: queries.changes_at(connection, account, but_for, since, judged=judged)
        )

    def known_of_others(self, account: AccountKey) -> pl.DataFrame:
        """The devices that runs of other accounts put somewhere (`last_known.OTHERS`)."""
        return self.database.reading(lambda connection: last_known.read_others(connection, account))

    def last_known(self, account: AccountKey) -> pl.DataFrame:
        """Where each device of a carrier was last put, and who sent its halves last (`last_known.COLUMNS`)."""
        return self.database.reading(lambda connection: last_known.read(connection, account))

    def head(self, run_id: str) -> ChainHead | None:
        """The newest hash of the run's chain. Kept elsewhere, it proves later that nothing before it was changed."""
        return self.database.reading(lambda connection: queries.read_head(connection, run_id))

    def heads(self, run_ids: Sequence[str]) -> dict[str, str]:
        """The newest hashes of several runs' chains, by run."""
        return self.database.reading(lambda connection: queries.read_heads(connection, run_ids))

    def name(self) -> str:
        """What the ledger is called, by any address; empty where its first entry is gone."""
        return self.database.reading(heads.ledger_of)

    def entry(self, run_id: str = "") -> Entry | None:
        """The newest entry of the ledger's heads: of a run, or of all where none is named or that run has none."""
        return self.database.reading(lambda connection: heads.newest(connection, run_id))

    def pruning(self, run_id: str) -> PruningRecord | None:
        """Where the run's details went, None where they are still here."""
        return self.database.reading(lambda connection: queries.read_pruning(connection, run_id))

    def detail(self, run_id: str, work: Callable[[Connection], Result]) -> Result:
        """Read what pruning removes. Raises `InputError` where it did: no rows would be wrong."""

        def read(connection: Connection) -> Result:
            pruned = queries.read_pruning(connection, run_id)
            if pruned is not None:
                raise InputError(
                    f"Run {run_id} was pruned on {pruned.at:%Y-%m-%d}: its {pruned.facts:,} details are no longer in "
                    f"the ledger, but in the archive {pruned.archive}."
                )
            return work(connection)

        return self.database.reading(read)

    def call_counts(self, run_id: str) -> CallCounts:
        """How many calls a run made, and how they fared."""
        return self.database.reading(lambda connection: queries.count_calls(connection, run_id))


def _adding(kind: Kind, rows: Callable[[], Sequence[inserts.Row]]) -> Callable[[Chain], None]:
    return lambda chain: inserts.add_facts(chain, kind, rows())


def _bring_up_to_date(database: Database) -> None:
    with database.read() as connection:
        found = queries.read_revision(connection)
    if found != REVISION:
        from simtandem.ledger.upgrade import upgrade  # noqa: PLC0415 - Alembic takes time to load, and is needed once in a ledger's life

        upgrade(database)

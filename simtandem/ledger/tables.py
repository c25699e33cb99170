"""The ledger's tables. Rows are added to them and never changed; only pruning takes some away, once they are archived.

`last_known` is the exception: it is derived from the others, kept up to date with them, and can be made anew.

`migrations/` builds them; a test keeps the two alike. The columns of `plan_rows`, `rejections`, `outcomes` and
`verdicts` are named as in `schemas.tables`.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

from simtandem.text.redaction import redacted

REVISION = "0026"
"""The newest revision in `migrations/versions`."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def instant_text(value: datetime) -> str:
    """A moment as the ledger keeps it: `2026-01-31T23:59:59.000Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def foreign_text(value: str) -> str:
    """Text that others wrote as the ledger keeps it: without secrets, and without what no database stores."""
    return storable_text(redacted(value))


def storable_text(value: str) -> str:
    """Text without what no database stores."""
    if value.isascii():
        return value.replace("\0", "\ufffd")
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)


class Instant(TypeDecorator[datetime]):
    """A moment, kept as text in UTC with milliseconds, so that both databases store and sort it alike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Write it as `2026-01-31T23:59:59.000Z`."""
        return None if value is None else instant_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Read it back, in UTC."""
        return None if value is None else datetime.fromisoformat(value)


class FileName(TypeDecorator[str]):
    """The name of a file or a folder: it has to lead there again, so nothing is taken out of it.

    What a database can't store (NUL, half of a surrogate pair) becomes U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Replace what can't be stored."""
        return None if value is None else storable_text(value)


class ForeignText(TypeDecorator[str]):
    """Text that others wrote: a carrier's error, a broken answer.

    Secrets are taken out. What a database can't store (NUL, half of a surrogate pair) becomes U+FFFD, so that no
    answer, however broken, can stop the record.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Replace what must not or can't be stored."""
        return None if value is None else foreign_text(value)


# SQLite numbers rows automatically only where the key is an INTEGER.
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def _sequence() -> Column[int]:
    return Column("seq", SEQUENCE, Identity(), primary_key=True)


def _run_id(*, primary_key: bool = False) -> Column[str]:
    return Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=primary_key, nullable=False)


def _row(*, primary_key: bool = False) -> Column[int]:
    return Column("row", Integer, primary_key=primary_key, autoincrement=False, nullable=False)


runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("carrier_host", Text, nullable=False),
    Column("file", ForeignText, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("os_user", ForeignText, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("process", Text),
    Column("account", Text),
)
Index(None, runs.c.started_at)

run_states = Table(
    "run_states",
    metadata,
    _sequence(),
    _run_id(),
    Column("at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index(None, run_states.c.run_id, run_states.c.seq)

plan_rows = Table(
    "plan_rows",
    metadata,
    _run_id(primary_key=True),
    _row(primary_key=True),
    Column("sim_id", Text),
    Column("iccid", Text),
    Column("endpoint_id", Text),
    Column("sim_before", Text),
    Column("endpoint_before", Text),
    Column("desired", Text),
    Column("sim_after", Text),
    Column("endpoint_after", Text),
    Column("sim_step", Boolean, nullable=False),
    Column("endpoint_step", Boolean, nullable=False),
    Column("first", Text),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("newly_billed", Boolean, nullable=False),
    Column("same_as", Integer),
    Column("owners_before", Text),
    Column("owners_after", Text),
    Column("named_as", Text),
    sqlite_with_rowid=False,
)

rejections = Table(
    "rejections",
    metadata,
    _run_id(primary_key=True),
    _row(primary_key=True),
    Column("column", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

own_cells = Table(
    "own_cells",
    metadata,
    _run_id(primary_key=True),
    _row(primary_key=True),
    Column("cells", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""The operator's own columns of a row, as `schemas.own_columns.encoded` makes them."""

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    _run_id(),
    Column("at", Instant, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", ForeignText, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("body", ForeignText),
)
Index(None, calls.c.run_id, calls.c.at)

answers = Table(
    "answers",
    metadata,
    Column("call_id", Text, ForeignKey("calls.call_id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("status", Integer),
    Column("seconds", Double, nullable=False),
    Column("error_code", Integer),
    Column("fault", ForeignText, nullable=False),
    Column("request_id", ForeignText, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    _sequence(),
    _run_id(),
    _row(),
    Column("half", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("http_status", Integer),
    Column("error", ForeignText, nullable=False),
    Column("at", Instant, nullable=False),
    Column("turn", BigInteger),
)
Index(None, outcomes.c.run_id, outcomes.c.row, outcomes.c.half, outcomes.c.seq)
Index(None, outcomes.c.at)

verdicts = Table(
    "verdicts",
    metadata,
    _run_id(primary_key=True),
    _row(primary_key=True),
    Column("sim_id", Text),
    Column("iccid", Text),
    Column("endpoint_id", Text),
    Column("desired", Text),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("sim_outcome", Text),
    Column("endpoint_outcome", Text),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("http_status", Integer),
    Column("error", Text, nullable=False),
    Column("owners", Text),
    Column("owners_before", Text),
    Column("owners_after", Text),
    Column("named_as", Text),
    sqlite_with_rowid=False,
)

explained = Table(
    "explained",
    metadata,
    _run_id(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("half", Text, nullable=False),
    Column("ident", Text, nullable=False),
    Column("sim_id", Text),
    Column("iccid", Text),
    Column("endpoint_id", Text),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("at", Text),
    Column("event_id", Text),
    Column("user", Text),
    Column("by_run", Text),
    Column("by_row", Integer),
    Column("explanation", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What the carrier's events say of another run's changes, as `schemas.tables.Explained`; instants as `instant_text`."""

links = Table(
    "links",
    metadata,
    _run_id(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("facts", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("refs", Text),  # last, because they may be long: who wants the head doesn't have to read past them
    Column("digests", LargeBinary),
)

prunings = Table(
    "prunings",
    metadata,
    _run_id(primary_key=True),
    Column("at", Instant, nullable=False),
    Column("os_user", ForeignText, nullable=False),
    Column("archive", ForeignText, nullable=False),
    Column("archive_sha256", Text, nullable=False),
    Column("facts", Integer, nullable=False),
)


def _put_columns() -> list[Column[str]]:
    """Where a run put a device, and when it sent which half: see `simtandem.ledger.last_known`. Instants are text."""
    text = ["endpoint_id", "desired", "sim_status", "endpoint_status"]
    return [
        *(Column(name, Text) for name in text),
        Column("at", Text, nullable=False),
        *(Column(name, Text) for name in ("sim_run", "sim_at", "endpoint_run", "endpoint_at")),
    ]


last_known = Table(
    "last_known",
    metadata,
    Column("account", Text, primary_key=True),
    Column("carrier_host", Text, primary_key=True),
    Column("sim_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    _row(),
    *_put_columns(),
    sqlite_with_rowid=False,
)
"""Where simtandem last put each device of an account, in which run and when; derived from the facts of the runs."""

baselines = Table(
    "baselines",
    metadata,
    _run_id(primary_key=True),
    Column("sim_id", Text, primary_key=True),
    _row(),
    *_put_columns(),
    sqlite_with_rowid=False,
)
"""What a run that was pruned had added to `last_known`, as far as that was still the last known then."""

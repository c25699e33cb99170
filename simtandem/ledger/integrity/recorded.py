"""What the ledger holds of a run, as it is there: the source that a proof or an archive is made from."""

import json
from collections.abc import Iterator
from itertools import compress
from typing import Any

from sqlalchemy import Boolean, Connection, select, text

from simtandem.ledger.integrity.chain import Link
from simtandem.ledger.integrity.facts import ARRIVALS, FACTS, RUNS, FactTable, Kind, Strand
from simtandem.ledger.integrity.proof import Witness

_ROWS = 20_000
_LINKS = 50  # a link of a large plan is almost a megabyte


class Recorded:
    """A run, or an arrival, in the ledger. Use it within one `Database.snapshot`, so that nobody writes in between."""

    def __init__(self, connection: Connection, run_id: str, strand: Strand = RUNS) -> None:
        self._connection = connection
        self._run_id = run_id
        self._strand = strand

    def links(self) -> Iterator[Link]:
        """Its chain."""
        columns = "seq, kind, facts, content, hash, refs, digests"
        table, key = self._strand.links.name, self._strand.key
        for row in self._select(f"SELECT {columns} FROM {table} WHERE {key} = :run_id ORDER BY seq", _LINKS):  # noqa: S608 - fixed names
            yield Link(*row)

    def facts(self) -> Iterator[tuple[FactTable, Iterator[dict[str, Any]]]]:
        """Its facts. Which kinds there are any of is one question: most runs have few of them."""
        facts = self._strand.facts.values()
        any_of = ", ".join(f"EXISTS (SELECT 1 {self._of_run(fact)})" for fact in facts)
        there = self._connection.execute(text(f"SELECT {any_of}"), {"run_id": self._run_id}).one()
        for fact in compress(facts, there):
            yield fact, self.rows(fact)

    def rows(self, fact: FactTable) -> Iterator[dict[str, Any]]:
        """Its facts of one kind, in the order of their key."""
        names = sorted(column.name for column in fact.table.columns)
        for row in self._select(self._query(fact, names), _ROWS):
            yield dict(zip(names, row, strict=True))

    def witness(self) -> list[Witness]:
        """What the run's last state remembers of the chain before it."""
        query = "SELECT detail FROM run_states WHERE run_id = :run_id ORDER BY seq DESC LIMIT 1"
        detail = self._connection.scalar(text(query), {"run_id": self._run_id})
        try:
            chain = json.loads(detail)["chain"]
            return [Witness("the run's last state", str(chain["head"]), int(chain["facts"]))]
        except (ValueError, TypeError, KeyError):
            return []  # none yet, or an older one, or one that was changed: that is found by its hash

    def _query(self, fact: FactTable, names: list[str]) -> str:
        columns = ", ".join(self._column(fact, name) for name in names)
        order = ", ".join(f'f."{name}"' for name in (fact.key, fact.also) if name)
        return f"SELECT {columns} {self._of_run(fact)} ORDER BY {order}"

    def _of_run(self, fact: FactTable) -> str:
        owner, join = "f", ""
        if fact.via is not None:
            owner, join = "v", f"JOIN {fact.via.name} v ON v.{fact.key} = f.{fact.key}"
        return f"FROM {fact.table.name} f {join} WHERE {owner}.{self._strand.key} = :run_id"

    def _column(self, fact: FactTable, name: str) -> str:
        truth = isinstance(fact.table.columns[name].type, Boolean)
        if truth and self._connection.dialect.name == "postgresql":
            return f'CAST(f."{name}" AS INTEGER)'  # as SQLite keeps it
        return f'f."{name}"'

    def _select(self, query: str, at_once: int) -> Iterator[Any]:
        """Rows as the driver hands them over, never all at once."""
        options = {"stream_results": True, "max_row_buffer": at_once}
        with self._connection.execute(text(query), {"run_id": self._run_id}, execution_options=options) as result:
            for part in result.partitions(at_once):
                yield from part


def run_ids(connection: Connection) -> list[str]:
    """Every run that anything recorded refers to, whether or not its header is there."""
    tables = {"links", *(fact.table.name for fact in FACTS.values() if "run_id" in fact.table.columns)}
    found: set[str] = set()
    for table in sorted(tables):
        strangers = "" if table == "runs" else " WHERE run_id NOT IN (SELECT run_id FROM runs)"
        found.update(connection.scalars(text(f"SELECT DISTINCT run_id FROM {table}{strangers}")))  # noqa: S608 - fixed names
    return sorted(found)


def answers_to_nothing(connection: Connection) -> list[str]:
    """Answers whose call isn't there, so that they belong to no run."""
    query = "SELECT call_id FROM answers WHERE call_id NOT IN (SELECT call_id FROM calls) ORDER BY call_id"
    return list(connection.scalars(text(query)))


def arrival_ids(connection: Connection) -> list[str]:
    """Every arrival that anything recorded refers to, whether or not it is there itself."""
    tables = [ARRIVALS.links, *(fact.table for fact in ARRIVALS.facts.values() if ARRIVALS.key in fact.table.columns)]
    return sorted({each for table in tables for each in connection.scalars(select(table.c[ARRIVALS.key]).distinct())})


def of_no_schedule(connection: Connection) -> list[str]:
    """Schedules that rows, rows left out or events are of, and that aren't there."""
    tables = [fact.table for fact in ARRIVALS.facts.values() if fact.via is not None]
    known = select(ARRIVALS.facts[Kind.SCHEDULE].table.c.schedule_id)
    queries = [select(each.c.schedule_id).where(each.c.schedule_id.not_in(known)).distinct() for each in tables]
    return sorted({each for query in queries for each in connection.scalars(query)})

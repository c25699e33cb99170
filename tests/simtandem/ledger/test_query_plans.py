"""What is asked of years of history is looked up: no table of devices, steps or calls is read from end to end.

PostgreSQL scans small tables whatever indexes there are, so its planner is told to do so only where it can't help it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import event

from schemas.accounts import DEFAULT, AccountKey
from simtandem.ledger import explanations, fleet_history, last_known
from simtandem.ledger.store import Ledger

HERE = "cdn.emnify.net"
RUN = "20260131-a"
LARGE = {"plan_rows", "outcomes", "calls", "answers", "verdicts", "last_known", "links", "baselines"}
Question = Callable[[Ledger, datetime], object]


class Asked:
    """Every SELECT that a ledger sends, as it was sent."""

    def __init__(self, ledger: Ledger) -> None:
        self.statements: list[tuple[str, Any]] = []
        self._engine = ledger.database._engine

    @contextmanager
    def listening(self) -> Iterator[None]:
        event.listen(self._engine, "before_cursor_execute", self._hear)
        try:
            yield
        finally:
            event.remove(self._engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith(("SELECT", "INSERT INTO last_known")):
            self.statements.append((statement, parameters))


def scanned(ledger: Ledger, statement: str, parameters: Any) -> set[str]:
    """The tables that a statement reads from end to end, by their names or what the statement calls them."""
    with ledger.database.write() as connection:
        if not ledger.database.is_postgres:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            steps = [row[3].split() for row in rows]
            return {step[1] for step in steps if step[0] == "SCAN"}
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return set(_read_whole((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def _read_whole(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan") and "Index Cond" not in node:
        yield node["Relation Name"]
    for each in node.get("Plans", []):
        yield from _read_whole(each)


QUESTIONS: dict[str, Question] = {
    "what was last sent to each device": lambda ledger, _: fleet_history.read_managed(
        ledger, AccountKey(DEFAULT, HERE)
    ),
    "which steps changed something since": lambda ledger, at: fleet_history.read_steps(
        ledger, AccountKey(DEFAULT, HERE), at
    ),
    "what killed runs sent since": lambda ledger, at: ledger.changes_at(
        AccountKey(DEFAULT, HERE), but_for=RUN, since=at
    ),
    "what others sent since": lambda ledger, at: ledger.changes_at(
        AccountKey(DEFAULT, HERE), but_for=RUN, since=at, judged=True
    ),
    "what the last audit counted": lambda ledger, _: fleet_history.last_audit(ledger, AccountKey(DEFAULT, HERE)),
    "which runs have no events yet": lambda ledger, at: explanations.unexplained_runs(
        ledger, AccountKey(DEFAULT, HERE), at, at
    ),
    "how steps ended": lambda ledger, _: ledger.outcomes(RUN),
    "the calls of a run": lambda ledger, _: ledger.calls(RUN),
    "the newest runs": lambda ledger, _: ledger.runs(),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_questions_are_looked_up(whole_run: Ledger, clock: Callable[[], datetime], question: Question) -> None:
    asked = Asked(whole_run)
    with asked.listening():
        question(whole_run, clock())
    assert asked.statements
    for statement, parameters in asked.statements:
        assert scanned(whole_run, statement, parameters) & LARGE == set(), statement


def test_the_last_known_status_of_a_device_is_kept_without_reading_a_table(whole_run: Ledger) -> None:
    asked = Asked(whole_run)
    with asked.listening(), whole_run.database.write() as connection:
        last_known.note_outcomes(connection, RUN, [2])
        last_known.note_verdicts(connection, RUN)
    assert len(asked.statements) == 4, "whose run it is, and what changes, of the outcomes and of the verdicts"
    for statement, parameters in asked.statements:
        assert scanned(whole_run, statement, parameters) & {*LARGE, "p", "v", "o", "sim", "endpoint"} == set()


def test_other_rows_do_not_make_other_statements(whole_run: Ledger) -> None:
    """What a database was asked before is quick: every commit of a run that is sending asks this."""
    asked = Asked(whole_run)
    with asked.listening(), whole_run.database.write() as connection:
        for rows in ([2], [3], [2, 3], [4, 5], [4, 5, 6], [2, 3, 4, 5]):
            last_known.note_outcomes(connection, RUN, rows)
    changes = [statement for statement, _ in asked.statements if statement.lstrip().startswith("INSERT")]
    assert len(changes) == 6
    assert len(set(changes)) == 3, "one for a row, for two and for up to four"


def test_a_table_that_is_read_from_end_to_end_is_seen(whole_run: Ledger) -> None:
    mark = "%s" if whole_run.database.is_postgres else "?"
    assert scanned(whole_run, f"SELECT * FROM calls WHERE path = {mark}", ("/sim/11",)) == {"calls"}  # noqa: S608

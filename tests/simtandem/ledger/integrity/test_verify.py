# ruff: noqa: S608 - tampering is what this is about; every name is our own
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import nextafter

import polars as pl
import pytest
from sqlalchemy import Boolean, Connection, Integer, Table, TextClause, text
from sqlalchemy.types import LargeBinary

from schemas.statuses import Half, Outcome
from simtandem.ledger.integrity.chain import link_hash
from simtandem.ledger.integrity.facts import FACTS, Kind
from simtandem.ledger.integrity.proof import Proof, Standing, Witness
from simtandem.ledger.integrity.recorded import Recorded, answers_to_nothing, run_ids
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.records import OutcomeRecord, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import links

RUN = "20260131-a"
MakeRun = Callable[..., RunRecord]
PRESENT = [kind for kind in FACTS if kind not in (Kind.PRUNING, Kind.BASELINE)]  # see test_pruning


def proof_of(ledger: Ledger, run_id: str = RUN, witnesses: Sequence[Witness] = ()) -> Proof:
    with ledger.database.snapshot() as connection:
        return verify_chain(run_id, Recorded(connection, run_id), witnesses)


def proof_within(connection: Connection, witnesses: Sequence[Witness] = ()) -> Proof:
    source = Recorded(connection, RUN)
    return verify_chain(RUN, source, [*source.witness(), *witnesses])


def said(proof: Proof) -> list[str]:
    return [str(finding) for finding in proof.findings]


@contextmanager
def tampering(ledger: Ledger) -> Iterator[Connection]:
    """Somebody with all rights and no scruples. In the end all is as it was."""
    with ledger.database.write() as connection:
        if ledger.database.is_postgres:
            keys = text(
                "SELECT conrelid::regclass, conname FROM pg_constraint "
                "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
            )
            for table, name in connection.execute(keys).all():
                connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        else:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        yield connection
        connection.rollback()


def key_of(connection: Connection, kind: Kind) -> object:
    """The key of one of the run's facts."""
    fact = FACTS[kind]
    ours = "call_id LIKE :run || ':%'" if kind is Kind.ANSWER else "run_id = :run"
    return connection.scalar(sql(f'SELECT min("{fact.key}") FROM {fact.table.name} WHERE {ours}', run=RUN))


def at_key(kind: Kind) -> str:
    """Where that fact is."""
    fact = FACTS[kind]
    ours = "" if kind is Kind.ANSWER else " AND run_id = :run"
    return f'{fact.table.name} WHERE "{fact.key}" = :key{ours}'


def sql(statement: str, **values: object) -> TextClause:
    """A statement with those of the values it speaks of."""
    return text(statement).bindparams(**{name: value for name, value in values.items() if f":{name}" in statement})


def one_bit_else(table: Table, column: str, value: object) -> object:
    """A value that differs as little as can be, of the type that the column holds."""
    kind = table.columns[column].type
    if isinstance(kind, Boolean):
        return not value
    if isinstance(kind, Integer):
        return 1 if value is None else int(str(value)) + 1
    if isinstance(kind, LargeBinary):
        assert isinstance(value, bytes)
        return value[:-1] + bytes([value[-1] ^ 1])
    if isinstance(value, float):
        return nextafter(value, 99)
    was = str(value or "")
    return was[:-1] + chr(ord(was[-1]) ^ 1) if was else "x"


def test_a_record_that_nobody_touched_is_proved_with_its_counts_and_head(kept_run: Ledger) -> None:
    proof = proof_of(kept_run)
    assert (said(proof), proof.standing, proof.found) == ([], Standing.UNTOUCHED, 0)
    assert proof.counts == {
        "run": 1,
        "state": 2,
        "rejection": 2,
        "plan": 3,
        "call": 2,
        "answer": 2,
        "outcome": 3,
        "verdict": 2,
        "explained": 2,
        "action_plan": 1,
        "action_outcome": 1,
        "action_verdict": 1,
        "own_cells": 1,
        "file": 1,
    }
    head = kept_run.head(RUN)
    assert head is not None
    assert (head.hash, head.facts) == (proof.head, proof.facts)
    assert kept_run.heads([RUN, "another", "nobody"]) == {
        RUN: proof.head,
        "another": proof_of(kept_run, "another").head,
    }
    assert run_ids_of(kept_run) == [RUN, "another"]


def run_ids_of(ledger: Ledger) -> list[str]:
    with ledger.database.snapshot() as connection:
        return run_ids(connection)


@pytest.mark.parametrize("kind", PRESENT)
def test_any_change_in_any_column_of_a_fact_is_found_and_the_fact_named(kept_run: Ledger, kind: Kind) -> None:
    fact = FACTS[kind]
    for name in [column.name for column in fact.table.columns]:
        with tampering(kept_run) as connection:
            key = key_of(connection, kind)
            value = connection.scalar(sql(f'SELECT "{name}" FROM {at_key(kind)}', key=key, run=RUN))
            other = one_bit_else(fact.table, name, value) if name not in ("seq", "row", "number", "by_row") else 999
            where = at_key(kind).replace(" WHERE", f' SET "{name}" = :other WHERE')
            assert connection.execute(sql(f"UPDATE {where}", other=other, key=key, run=RUN)).rowcount == 1
            found = [(each.kind, fact.key_of(each.ref)) for each in proof_within(connection).findings]
            assert (kind.value, str(key)) in found, name


def test_any_change_in_any_column_of_the_chain_is_found_and_the_link_named(kept_run: Ledger) -> None:
    for name in [column.name for column in links.columns]:
        with tampering(kept_run) as connection:
            where = "WHERE run_id = :run AND seq = 3"
            value = connection.scalar(sql(f"SELECT {name} FROM links {where}", run=RUN))
            other = 999 if name == "seq" else one_bit_else(links, name, value)
            change = sql(f"UPDATE links SET {name} = :other {where}", other=other, run=RUN)
            assert connection.execute(change).rowcount == 1
            assert ("link", "3") in [(each.kind, each.ref) for each in proof_within(connection).findings], name


def test_a_fact_taken_away_is_found_and_named(kept_run: Ledger) -> None:
    for kind in PRESENT:
        with tampering(kept_run) as connection:
            key = key_of(connection, kind)
            connection.execute(sql(f"DELETE FROM {at_key(kind)}", key=key, run=RUN))
            first = proof_within(connection).findings[0]
            assert (first.kind, FACTS[kind].key_of(first.ref)) == (kind.value, str(key))
            assert str(first).startswith(FACTS[kind].one)
            assert "is missing" in first.problem


def test_a_fact_added_is_found_and_named(kept_run: Ledger) -> None:
    for kind in [kind for kind in PRESENT if kind is not Kind.RUN]:
        fact = FACTS[kind]
        with tampering(kept_run) as connection:
            if kind is Kind.ANSWER:  # to a call that has none
                connection.execute(
                    sql(
                        f"UPDATE {at_key(kind)}".replace(" WHERE", " SET call_id = 'x' WHERE"),
                        key=key_of(connection, kind),
                    )
                )
                connection.execute(
                    text("UPDATE calls SET call_id = 'x' WHERE call_id NOT IN (SELECT call_id FROM answers)")
                )
            else:
                new = "999" if fact.key in ("seq", "row", "number") else "'x'"
                names = ", ".join(f'"{column.name}"' for column in fact.table.columns)
                others = names.replace(f'"{fact.key}"', new)
                copied = f"INSERT INTO {fact.table.name} ({names}) SELECT {others} FROM {at_key(kind)}"
                connection.execute(sql(copied, key=key_of(connection, kind), run=RUN))
            found = [each for each in proof_within(connection).findings if each.problem == "was added"]
            assert [(each.kind, fact.key_of(each.ref)) for each in found if each.kind == kind] in (
                [(kind.value, "999")],
                [(kind.value, "x")],
            )


def test_facts_that_changed_places_are_found(kept_run: Ledger) -> None:
    with tampering(kept_run) as connection:
        one, two = connection.scalars(
            text("SELECT seq FROM outcomes WHERE run_id = :run AND row = 2 AND half = 'sim' ORDER BY seq"), {"run": RUN}
        )
        for was, now in ((one, 1_000), (two, one), (1_000, two)):  # the older outcome would count
            connection.execute(text("UPDATE outcomes SET seq = :now WHERE seq = :was"), {"was": was, "now": now})
        proof = proof_within(connection)
        assert said(proof) == [f"outcome {one} (row 2 sim) was changed", f"outcome {two} (row 2 sim) was changed"]


def test_links_that_changed_places_are_found(kept_run: Ledger) -> None:
    with tampering(kept_run) as connection:
        for was, now in ((2, 1_000), (3, 2), (1_000, 3)):
            connection.execute(
                text("UPDATE links SET seq = :now WHERE run_id = :run AND seq = :was"),
                {"was": was, "now": now, "run": RUN},
            )
        found = said(proof_within(connection))
        assert [each for each in found if each.startswith(("link 2 of the chain was changed", "link 3 of"))]


def test_a_link_taken_away_is_missing_and_its_facts_are_not_covered(kept_run: Ledger) -> None:
    with tampering(kept_run) as connection:
        connection.execute(text("DELETE FROM links WHERE run_id = :run AND kind = 'plan'"), {"run": RUN})
        assert said(proof_within(connection)) == [
            "link 3 of the chain is missing",
            *(f"plan row {row} was added" for row in (2, 3, 4)),
            "the head in the run's last state covers 20 facts, not the 23 it was recorded for",
        ]


def test_a_run_without_any_link_has_no_chain(kept_run: Ledger) -> None:
    with tampering(kept_run) as connection:
        connection.execute(text("DELETE FROM links WHERE run_id = :run"), {"run": RUN})
        proof = proof_within(connection)
        assert said(proof)[0] == "link 1 of the chain is missing: the run has no chain"
        assert proof.standing is Standing.BROKEN


def test_emptying_a_link_is_not_taken_for_pruning(kept_run: Ledger) -> None:
    with tampering(kept_run) as connection:
        connection.execute(
            text("UPDATE links SET refs = NULL, digests = NULL WHERE run_id = :run AND kind = 'plan'"), {"run": RUN}
        )
        connection.execute(text("DELETE FROM plan_rows WHERE run_id = :run"), {"run": RUN})
        assert said(proof_within(connection)) == [
            "link 3 of the chain was emptied: it no longer says which facts it covers"
        ]


def cut_off(connection: Connection, kept: int) -> None:
    """Take the end of a chain and the facts it covers, verdicts and states, as somebody would who knows how."""
    gone = connection.execute(
        sql("SELECT kind, refs FROM links WHERE run_id = :run AND seq > :kept", run=RUN, kept=kept)
    )
    for kind, refs in gone.all():
        fact = FACTS[Kind(kind)]
        for key in [int(fact.key_of(ref)) for ref in json.loads(refs)]:
            connection.execute(sql(f"DELETE FROM {at_key(fact.kind)}", key=key, run=RUN))
    connection.execute(sql("DELETE FROM links WHERE run_id = :run AND seq > :kept", run=RUN, kept=kept))


def test_an_end_that_was_cut_off_is_found_by_a_head_kept_outside_and_by_nothing_else(kept_run: Ledger) -> None:
    proof = proof_of(kept_run)
    kept = Witness("the report", proof.head)
    assert proof_of(kept_run, witnesses=[kept]).confirmed == [(kept, 0)]
    with tampering(kept_run) as connection:
        cut_off(connection, proof.links - 2)  # the verdicts, and the state that ends the run
        assert said(proof_within(connection)) == []
        assert said(proof_within(connection, [kept])) == [
            "the head in the report is not in the chain: facts were taken from its end, or all of it was written anew"
        ]


def test_a_head_that_was_kept_earlier_tells_how_much_came_later(whole_run: Ledger) -> None:
    kept = Witness("the report", whole_run.heads([RUN])[RUN])
    whole_run.record_outcomes(RUN, [OutcomeRecord(3, half, Outcome.APPLIED, 1) for half in Half])
    assert proof_of(whole_run, witnesses=[kept]).confirmed == [(kept, 2)]


def test_facts_taken_from_under_the_last_state_are_found_even_where_the_chain_is_made_to_fit(kept_run: Ledger) -> None:
    links_before = proof_of(kept_run).links
    with tampering(kept_run) as connection:
        connection.execute(text("DELETE FROM verdicts WHERE run_id = :run"), {"run": RUN})
        connection.execute(text("DELETE FROM links WHERE run_id = :run AND kind = 'verdict'"), {"run": RUN})
        connection.execute(
            text("UPDATE links SET seq = seq - 1 WHERE run_id = :run AND seq = :last"),
            {"run": RUN, "last": links_before},
        )
        before, last = connection.execute(
            text("SELECT * FROM links WHERE run_id = :run ORDER BY seq DESC LIMIT 2"), {"run": RUN}
        ).all()[::-1]
        fitting = link_hash(RUN, last.seq, last.kind, last.facts, last.content, before.hash)
        connection.execute(
            text("UPDATE links SET hash = :hash WHERE run_id = :run AND seq = :seq"),
            {"hash": fitting, "run": RUN, "seq": last.seq},
        )
        assert [each.partition(":")[0] for each in said(proof_within(connection))] == [
            "the head in the run's last state is not in the chain"
        ]


def test_the_first_findings_are_told_and_the_others_counted(ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame) -> None:
    ledger.start_run(a_run())
    rows = pl.DataFrame({"row": range(2, 52)}, schema={"row": pl.Int64})
    ledger.record_plan(RUN, rows.join(plan.drop("row").head(1), how="cross"))
    with tampering(ledger) as connection:
        connection.execute(text("UPDATE plan_rows SET reason = 'x' WHERE row > 20"))
        proof = proof_within(connection)
    assert (len(proof.findings), proof.found) == (20, 31)
    assert said(proof)[0] == "plan row 21 was changed"


def test_facts_of_no_run_are_looked_for_as_well(kept_run: Ledger) -> None:
    with tampering(kept_run) as connection:
        connection.execute(text("UPDATE verdicts SET run_id = 'nobody' WHERE run_id = :run"), {"run": RUN})
        connection.execute(text("UPDATE answers SET call_id = 'x' WHERE call_id = (SELECT min(call_id) FROM answers)"))
        assert run_ids(connection) == [RUN, "another", "nobody"]
        assert answers_to_nothing(connection) == ["x"]


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)  # PostgreSQL lets only texts stand among texts
@pytest.mark.parametrize("change", ["CAST(x'2fff' AS TEXT)", "CAST(path AS BLOB)", "x'2f'"])
def test_what_is_no_text_at_all_is_found_as_well(whole_run: Ledger, change: str) -> None:
    with whole_run.database.write() as connection:
        connection.execute(sql(f"UPDATE calls SET path = {change} WHERE run_id = :run", run=RUN))
    assert [(each.kind, each.problem) for each in proof_of(whole_run).findings] == [("call", "was changed")] * 2


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_a_key_that_is_no_text_at_all_is_named_all_the_same(whole_run: Ledger) -> None:
    with whole_run.database.write() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(text("DELETE FROM answers"))
        connection.execute(
            text("UPDATE calls SET call_id = CAST(x'78ff0a' AS TEXT) WHERE path = '/sim/11' AND run_id = :run"),
            {"run": RUN},
        )
    assert "call x\\udcff\\n was added" in said(proof_of(whole_run))


def test_the_head_is_the_same_on_every_database_today_and_in_ten_years(
    ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame, rejected: pl.DataFrame, results: pl.DataFrame
) -> None:
    """If this fails, the ledgers of before don't verify any more. Calls are left out: their ids are random."""
    ledger.start_run(a_run())
    ledger.record_rejected(RUN, rejected)
    ledger.record_plan(RUN, plan)
    ledger.record_outcomes(RUN, [OutcomeRecord(3, Half.SIM, Outcome.FAILED, 4, 500, 'ä "broken"\n')])
    ledger.record_verdicts(RUN, results.with_columns(verdict=pl.Series(["in_sync", "rejected"])))
    ledger.record_state(RUN, RunState.FINISHED, {"exit_code": 1}, sealed=True)
    assert ledger.heads([RUN])[RUN] == "6d9b9df1008830366269ec67efdc9535a2f2da3db854df00a75c56f01f0657f0"

"""A ledger that moves from a file into PostgreSQL: what is there afterwards, and when nothing is."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text

from simtandem.carriers.protocol import Answer, Call
from simtandem.errors import InputError, LedgerError
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.leases import Lease
from simtandem.ledger.ledger_copy import _TABLES, copy_ledger
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import runs
from tests.simtandem.ledger.conftest import rejected_rows, run_record

pytestmark = pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
MakeRun = Callable[..., RunRecord]


@pytest.fixture
def postgres(new_schema: Callable[[], str]) -> Iterator[Ledger]:
    with Ledger.open(new_schema()) as opened:
        yield opened


def copied(ledger: Ledger) -> int:
    with ledger.database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(runs)) or 0)


def stored(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, those of the moment apart, with truths as numbers in both databases."""
    with ledger.database.read() as connection:
        found = {each.name: connection.execute(text(f"SELECT * FROM {each.name}")).all() for each in _TABLES}  # noqa: S608 - our own
    return {
        name: sorted((tuple(int(each) if isinstance(each, bool) else each for each in row) for row in rows), key=repr)
        for name, rows in found.items()
    }


def test_a_copy_has_everything_and_continues_where_the_ledger_ended(
    whole_run: Ledger, postgres: Ledger, a_run: MakeRun, tmp_path_factory: pytest.TempPathFactory
) -> None:
    prune_run(whole_run, "another", tmp_path_factory.mktemp("archive"), "ada")
    counts = copy_ledger(whole_run.database, postgres.database)
    assert counts["runs"] == 2
    for what in (Ledger.results, Ledger.plan, Ledger.outcomes, Ledger.states):
        assert str(what(postgres, "20260131-a")) == str(what(whole_run, "20260131-a"))
    assert postgres.pruning("another") == whole_run.pruning("another")
    postgres.start_run(a_run("later"))
    postgres.record_state("later", RunState.PLANNED, {})
    assert [each.state for each in postgres.states("later")] == [RunState.PLANNED]
    with pytest.raises(InputError, match="is not empty"):
        copy_ledger(whole_run.database, postgres.database)


def look(ledger: Ledger, run_id: str, state: RunState = RunState.PLANNED, **given: Any) -> None:
    """As `simtandem doctor` recorded it when its looks were runs."""

    async def count() -> None:
        async with CallWriter(ledger, run_id) as journal:
            await journal.answer(await journal.intent(Call("GET", "/sim", "count", 1)), Answer(200, 0.1))

    looked = {"kind": RunKind.PLAN, "file": "", "sha256": "", "rows": 0, "rejected": 0, "parameters": LOOK}
    ledger.start_run(run_record(run_id, **{**looked, **given}))
    asyncio.run(count())
    ledger.record_state(run_id, state, LOOK, sealed=True)


LOOK = {"doctor": "counts the fleet"}


def test_looks_that_an_earlier_doctor_left_as_runs_are_removed(whole_run: Ledger, postgres: Ledger) -> None:
    look(postgres, "20260130-a")
    look(postgres, "20260130-b", RunState.FAILED)
    assert copy_ledger(whole_run.database, postgres.database)["runs"] == 2
    assert stored(postgres) == stored(whole_run)


@pytest.mark.parametrize(
    "given", [{"kind": RunKind.APPLY}, {"file": "a.csv"}, {"rows": 1}, {"parameters": {**LOOK, "to": "activated"}}]
)
def test_a_run_is_no_look(given: dict[str, Any], whole_run: Ledger, postgres: Ledger) -> None:
    look(postgres, "20260130-a")
    look(postgres, "20260130-b", **given)
    before = stored(postgres)
    with pytest.raises(InputError, match=r"is not empty \(it has 2 runs\)"):
        copy_ledger(whole_run.database, postgres.database)
    assert stored(postgres) == before


def test_what_no_look_leaves_is_kept(whole_run: Ledger, postgres: Ledger) -> None:
    look(postgres, "20260130-a")
    postgres.record_rejected("20260130-a", rejected_rows())
    before = stored(postgres)
    with pytest.raises(InputError, match=r"is not empty \(it has 1 run\)"):
        copy_ledger(whole_run.database, postgres.database)
    assert stored(postgres) == before


def test_every_row_is_stored_as_it_was(whole_run: Ledger, postgres: Ledger, a_run: MakeRun) -> None:
    whole_run.start_run(a_run("odd", file='a\tb\\N\n"c",\\.', os_user=""))
    copy_ledger(whole_run.database, postgres.database)
    assert stored(postgres) == stored(whole_run)
    assert sum(map(len, stored(postgres).values())) > 50


def test_what_was_tampered_with_is_not_copied(whole_run: Ledger, postgres: Ledger) -> None:
    with whole_run.database.write() as connection:
        connection.execute(text("UPDATE answers SET status = 500 WHERE status = 204"))
    with pytest.raises(LedgerError, match=r"does not verify: .* was changed.* Nothing was copied"):
        copy_ledger(whole_run.database, postgres.database)
    assert copied(postgres) == 0


def test_nothing_is_copied_while_a_run_sends(whole_run: Ledger, postgres: Ledger) -> None:
    (lease := Lease(whole_run.database, "default", "20260131-a")).begin()
    with pytest.raises(InputError, match="Run 20260131-a is sending"):
        copy_ledger(whole_run.database, postgres.database)
    lease.end()
    assert copied(postgres) == 0

"""The chains over files that arrived and what they schedule: what of it can be changed, and is found."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from simtandem.ledger.database import Database
from simtandem.ledger.integrity import heads
from simtandem.ledger.integrity.facts import ARRIVAL_FACTS, ARRIVALS, Kind
from simtandem.ledger.integrity.head_checks import check_chain, verify_heads, witnesses
from simtandem.ledger.integrity.proof import Proof
from simtandem.ledger.integrity.recorded import Recorded, arrival_ids, of_no_schedule
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.schedule_records import SCHEDULE_ROWS, Arrival, FileVersion, NewSchedule, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.older_ledgers import make_older

NOON = datetime(2026, 12, 4, 12, 0, tzinfo=UTC)
KINDS = tuple(ARRIVAL_FACTS)


def rows(*wishes: str) -> pl.DataFrame:
    made = [(2 + n, str(n), None, "89ä", wish, 2 if n else None, None) for n, wish in enumerate(wishes)]
    return pl.DataFrame(made, schema=SCHEDULE_ROWS, orient="row")


def take(schedules: Schedules, ident: str, *, ended: bool = False) -> None:
    """A file with two moments and an invalid row; a row of the first is left out, the second is moved."""
    file = FileVersion("/inbox", f"{ident}\udcff\0.csv", 10, "1.000", "e3b0")
    arrival = Arrival(ident, file, NOON, file.name, 3, 1, "a\0b")
    new = [NewSchedule(f"{ident}.{number}", NOON, rows("activated", "suspended")) for number in (1, 2)]
    rejected = pl.DataFrame({"row": [4], "column": ["iccid"], "value": ["\0x"], "reason": ["wrong"]})
    assert schedules.record(arrival, new, rejected)
    first, second = schedules.of_arrival(ident)
    assert schedules.skip([(first.schedule_id, 2, "overtaken")], {}, [first, second])
    assert schedules.move([second], ScheduleState.CANCELLED, detail="by hand\0")
    if ended:
        assert schedules.end_arrival(ident, "processed")


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    for ident in ("one", "two"):
        take(Schedules(ledger), ident, ended=True)
    return ledger


def proof_of(ledger: Ledger, ident: str) -> Proof:
    with ledger.database.snapshot() as connection:
        entries = heads.of_chain(connection, ident, ARRIVALS)
        proof = verify_chain(ident, Recorded(connection, ident, ARRIVALS), witnesses(entries), ARRIVALS)
        check_chain(connection, proof, entries, [], ARRIVALS)
    return proof


def found(ledger: Ledger, ident: str) -> list[str]:
    return [str(each) for each in proof_of(ledger, ident).findings]


def tamper(ledger: Ledger, *statements: str) -> None:
    with ledger.database.write() as connection:
        for each in statements:
            connection.execute(text(each))


def of_one(kind: Kind) -> str:
    key = ARRIVAL_FACTS[kind].key
    return f"{key} = '{'one' if key == 'arrival_id' else 'one.1'}'"


def test_an_arrival_that_nobody_touched_is_proved_with_its_counts(recorded: Ledger) -> None:
    for ident in ("one", "two"):
        proof = proof_of(recorded, ident)
        assert (proof.findings, proof.counts) == (
            [],
            {
                "arrival": 1,
                "arrival_rejection": 1,
                "arrival_end": 1,
                "schedule": 2,
                "schedule_row": 4,
                "schedule_skip": 1,
                "schedule_event": 3,
            },
        )
    with recorded.database.snapshot() as connection:
        assert arrival_ids(connection) == ["one", "two"]
        assert verify_heads(connection).findings == []
        told = [(each.kind, each.id, each.why) for each in heads.entries(connection)][1:5]
    whys = ("schedule_event", "schedule_skip", "schedule_event", "arrival_end")
    assert told == [("arrival", "one", why) for why in whys]


CHANGES = [
    (kind, column.name)
    for kind in KINDS
    for column in ARRIVAL_FACTS[kind].table.columns
    if not column.primary_key and not column.foreign_keys
]


@pytest.mark.parametrize(("kind", "column"), CHANGES)
def test_a_change_in_any_column_is_found(recorded: Ledger, kind: Kind, column: str) -> None:
    table = ARRIVAL_FACTS[kind].table
    value = "77" if "INTEGER" in str(table.c[column].type) else "'2031-01-01T00:00:00.000Z'"
    tamper(recorded, f'UPDATE {table.name} SET "{column}" = {value} WHERE {of_one(kind)}')  # noqa: S608 - our own names
    assert {each.kind for each in proof_of(recorded, "one").findings} == {kind.value}
    assert found(recorded, "two") == []


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in (Kind.ARRIVAL, Kind.SCHEDULE)])
def test_a_fact_taken_away_is_found(recorded: Ledger, kind: Kind) -> None:
    tamper(recorded, f"DELETE FROM {ARRIVAL_FACTS[kind].table.name} WHERE {of_one(kind)}")  # noqa: S608 - our own names
    told = found(recorded, "one")
    assert told
    assert all(each.endswith("is missing") for each in told)


def test_a_row_and_a_schedule_that_were_added_are_found_and_named(recorded: Ledger) -> None:
    tamper(
        recorded,
        "INSERT INTO schedule_rows (schedule_id, row, sim_id, desired) VALUES ('one.1', 99, '7', 'suspended')",
        "INSERT INTO schedules SELECT 'one.3', arrival_id, effective_at, rows, wishes, selection FROM schedules"
        " WHERE schedule_id = 'one.1'",
    )
    assert found(recorded, "one") == ["schedule one.3 was added", "schedule row one.1 99 was added"]


def test_rows_that_changed_places_are_found(recorded: Ledger) -> None:
    tamper(
        recorded,
        *(
            f"UPDATE schedule_rows SET row = {new} WHERE schedule_id = 'one.1' AND row = {old}"  # noqa: S608
            for old, new in ((2, 9), (3, 2), (9, 3))
        ),
    )
    assert found(recorded, "one") == ["schedule row one.1 2 was changed", "schedule row one.1 3 was changed"]


def test_an_arrival_deleted_whole_is_found(recorded: Ledger) -> None:
    of_schedules = ("schedule_events", "schedule_skips", "schedule_rows")
    tamper(
        recorded,
        *(f"DELETE FROM {each} WHERE schedule_id LIKE 'two.%'" for each in of_schedules),  # noqa: S608 - our own names
        *(
            f"DELETE FROM {each} WHERE arrival_id = 'two'"  # noqa: S608 - our own names
            for each in ("schedules", "arrival_ends", "arrival_rejections", "arrival_links", "arrivals")
        ),
    )
    assert found(recorded, "two")[0] == "link 1 of the chain is missing: the arrival has no chain"
    assert found(recorded, "one") == []


def test_a_cancellation_taken_back_with_its_link_is_found(recorded: Ledger) -> None:
    tamper(
        recorded,
        "DELETE FROM arrival_ends WHERE arrival_id = 'one'",
        "DELETE FROM schedule_events WHERE schedule_id = 'one.2' AND number = 2",
        "DELETE FROM arrival_links WHERE arrival_id = 'one' AND seq >"
        " (SELECT min(seq) FROM arrival_links WHERE arrival_id = 'one' AND kind = 'schedule_skip')",
    )
    told = found(recorded, "one")
    assert len(told) == 2
    assert all("of the ledger's heads is not in the chain" in each for each in told)


def test_what_is_of_no_schedule_is_looked_for(sqlite_url: str) -> None:
    with closing(Ledger.open(sqlite_url)) as ledger:
        with closing(sqlite3.connect(ledger.database.place, isolation_level=None)) as database:
            database.execute("INSERT INTO schedule_rows (schedule_id, row, desired) VALUES ('gone.1', 2, 'x')")
        with ledger.database.snapshot() as connection:
            assert of_no_schedule(connection) == ["gone.1"]


def test_programs_that_move_schedules_of_several_arrivals_at_once_wait_for_each_other(
    url: str, recorded: Ledger
) -> None:
    of_both = [each for each in Schedules(recorded).all(open_only=True) if each.schedule_id.endswith(".1")]
    barrier, answers = threading.Barrier(4), []

    def work(turned: bool) -> None:
        with closing(Ledger.open(url)) as own:
            barrier.wait()
            moved = list(reversed(of_both)) if turned else of_both
            answers.append(Schedules(own).move(moved, ScheduleState.DUE, "run"))

    threads = [threading.Thread(target=work, args=(bool(number % 2),)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [False, False, False, True]
    assert [found(recorded, ident) for ident in ("one", "two")] == [[], []]
    with recorded.database.snapshot() as connection:
        assert verify_heads(connection).findings == []


def test_arrivals_recorded_before_are_covered_as_they_are_found_and_say_so(
    url: str, new_url: Callable[[], str]
) -> None:
    with closing(Ledger.open(url)) as newest:
        for ident in ("early", "later"):
            take(Schedules(newest), ident)
    older = new_url()
    make_older(url, older, "0009")
    with closing(Ledger.open(older)) as ledger:
        with ledger.database.snapshot() as connection:
            told = [(each.id, each.why, each.facts) for each in heads.entries(connection)][1:]
            assert verify_heads(connection).findings == []
        assert told == [(ident, heads.TAKEN_IN_ARRIVAL, 12) for ident in ("early", "later")]
        schedules = Schedules(ledger)
        assert schedules.end_arrival("early", "processed")
        assert [found(ledger, ident) for ident in ("early", "later")] == [[], []]
        tamper(ledger, "UPDATE schedule_rows SET desired = 'deleted' WHERE schedule_id = 'later.1' AND row = 2")
        assert found(ledger, "later") == ["schedule row later.1 2 was changed"]


def test_a_ledger_without_arrivals_is_brought_up_to_date(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", "simtandem.ledger:migrations")
    with closing(Database(url, 5)) as database, database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
    with closing(Ledger.open(url)) as ledger, ledger.database.snapshot() as connection:
        assert arrival_ids(connection) == []


def test_a_large_file_is_covered_part_by_part(url: str) -> None:
    many = [(2 + n, str(n), None, None, "activated", None, None) for n in range(45_000)]
    with closing(Ledger.open(url)) as ledger:
        arrival = Arrival("big", FileVersion("/i", "b.csv", 1, "1", "e"), NOON, "b.csv", 45_000, 0)
        nothing = pl.DataFrame(schema={"row": pl.Int64, "column": pl.String, "value": pl.String, "reason": pl.String})
        assert Schedules(ledger).record(
            arrival, [NewSchedule("big.1", NOON, pl.DataFrame(many, SCHEDULE_ROWS, orient="row"))], nothing
        )
        with ledger.database.read() as connection:
            query = text("SELECT facts FROM arrival_links WHERE kind = 'schedule_row' ORDER BY seq")
            assert list(connection.scalars(query)) == [20_000, 20_000, 5_000]
        assert found(ledger, "big") == []

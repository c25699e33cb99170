"""Owners in the record: kept, covered by the chain, and a ledger of before them upgraded without loss."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import inspect

from schemas.tables import Plan, Results
from simtandem.errors import LedgerError
from simtandem.ledger.database import Database
from simtandem.ledger.integrity.archive import Archived
from simtandem.ledger.integrity.proof import Proof, Standing
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.older_ledgers import make_older

RUN = "20260131-a"
MakeRun = Callable[..., RunRecord]
ASKED = {"owners_before": "customer_org_id=none", "owners_after": "customer_org_id=42"}


@pytest.fixture
def owner_plan(plan: pl.DataFrame) -> pl.DataFrame:
    """The usual plan, but its first row asks for an owner alone."""
    first = pl.col("row") == 2
    changed = [pl.when(first).then(pl.lit(value)).otherwise(name).alias(name) for name, value in ASKED.items()]
    return Plan.validate(plan.with_columns(*changed, desired=pl.when(~first).then("desired")))


@pytest.fixture
def owner_results(results: pl.DataFrame) -> pl.DataFrame:
    first = pl.col("row") == 2
    told = {"owners": "customer_org_id=42", **ASKED}
    changed = [pl.when(first).then(pl.lit(value)).otherwise(name).alias(name) for name, value in told.items()]
    return Results.validate(results.with_columns(*changed, desired=pl.when(~first).then("desired")))


def proof_of(ledger: Ledger) -> Proof:
    with ledger.database.snapshot() as connection:
        return verify_chain(RUN, Recorded(connection, RUN))


def record(ledger: Ledger, run: RunRecord, plan: pl.DataFrame, results: pl.DataFrame) -> None:
    ledger.start_run(run)
    ledger.record_plan(RUN, plan)
    ledger.record_verdicts(RUN, results)


def test_owners_come_back_as_they_were_recorded(
    ledger: Ledger, a_run: MakeRun, owner_plan: pl.DataFrame, owner_results: pl.DataFrame
) -> None:
    record(ledger, a_run(), owner_plan, owner_results)
    assert_frame_equal(Plan.validate(ledger.plan(RUN)), owner_plan)
    assert_frame_equal(Results.validate(ledger.results(RUN)), owner_results)


@pytest.mark.parametrize(
    ("table", "column"), [("plan_rows", "owners_after"), ("plan_rows", "owners_before"), ("verdicts", "owners")]
)
@pytest.mark.parametrize("value", ["'customer_org_id=43'", "NULL"])
def test_an_owner_that_was_changed_in_the_record_is_found(
    ledger: Ledger,
    a_run: MakeRun,
    owner_plan: pl.DataFrame,
    owner_results: pl.DataFrame,
    table: str,
    column: str,
    value: str,
) -> None:
    record(ledger, a_run(), owner_plan, owner_results)
    assert proof_of(ledger).findings == []
    with ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET {column} = {value} WHERE row = 2")  # noqa: S608
    assert len(proof_of(ledger).findings) == 1


def test_an_archive_keeps_the_owners(
    ledger: Ledger, a_run: MakeRun, owner_plan: pl.DataFrame, owner_results: pl.DataFrame, tmp_path: Path
) -> None:
    record(ledger, a_run(), owner_plan, owner_results)
    prune_run(ledger, RUN, tmp_path, "ada")
    archived = verify_chain(RUN, Archived(tmp_path / f"{RUN}.jsonl.gz"))
    assert (archived.findings, archived.uncovered) == ([], 0)


# A ledger of before


@pytest.fixture
def of_before_owners(new_url: Callable[[], str], a_run: MakeRun, plan: pl.DataFrame, results: pl.DataFrame) -> str:
    """Where a ledger of before owners is, with a plan and verdicts, each covered by its chain."""
    newest, older = new_url(), new_url()
    with closing(Ledger.open(newest)) as ledger:
        record(ledger, a_run(), plan, results)
    make_older(newest, older, "0003")
    return older


def test_an_upgrade_keeps_plans_and_verdicts_and_their_proof(
    of_before_owners: str, plan: pl.DataFrame, results: pl.DataFrame
) -> None:
    with closing(Ledger.open(of_before_owners)) as ledger:
        assert_frame_equal(Plan.validate(ledger.plan(RUN)), plan)
        assert_frame_equal(Results.validate(ledger.results(RUN)), results)
        proof = proof_of(ledger)
        assert (proof.standing, proof.findings) == (Standing.UNTOUCHED, [])
        with ledger.database.write() as connection:
            connection.exec_driver_sql("UPDATE plan_rows SET desired = 'suspended' WHERE row = 2")
        assert [str(each) for each in proof_of(ledger).findings] == ["plan row 2 was changed"]


def test_an_upgraded_ledger_takes_plans_that_ask_for_owners_alone(
    of_before_owners: str, a_run: MakeRun, owner_plan: pl.DataFrame
) -> None:
    with closing(Ledger.open(of_before_owners)) as ledger:
        ledger.start_run(a_run("another"))
        ledger.record_plan("another", owner_plan)
        assert_frame_equal(Plan.validate(ledger.plan("another")), owner_plan)


def test_an_upgraded_ledger_is_made_like_a_new_one(of_before_owners: str, new_url: Callable[[], str]) -> None:
    made = []
    for url in (of_before_owners, new_url()):
        Ledger.open(url).close()
        with closing(Database(url, 5)) as database, database.read() as connection:
            looked = inspect(connection)
            made.append(
                [
                    (
                        [(each["name"], str(each["type"]), each["nullable"]) for each in looked.get_columns(table)],
                        looked.get_pk_constraint(table)["constrained_columns"],
                        [each["constrained_columns"] for each in looked.get_foreign_keys(table)],
                    )
                    for table in ("plan_rows", "verdicts")
                ]
            )
    assert made[0] == made[1]


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)
def test_the_copied_table_still_refers_to_its_run(of_before_owners: str) -> None:
    with (
        closing(Ledger.open(of_before_owners)) as ledger,
        pytest.raises(LedgerError, match="refers to"),
        ledger.database.write() as connection,
    ):
        connection.exec_driver_sql("UPDATE plan_rows SET run_id = 'nobody'")

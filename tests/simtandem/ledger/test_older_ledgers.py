"""A ledger of every earlier revision is upgraded without loss, its proofs included."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import Half, Outcome
from schemas.tables import Plan, Results
from simtandem.ledger import explanations
from simtandem.ledger.integrity import heads
from simtandem.ledger.integrity.facts import ARRIVALS, RUNS, Strand
from simtandem.ledger.integrity.head_checks import check_chain, verify_heads, witnesses
from simtandem.ledger.integrity.proof import Finding, Standing
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.integrity.verify import verify_chain
from simtandem.ledger.last_known_rebuild import differences
from simtandem.ledger.records import OutcomeRecord, RunRecord, RunState
from simtandem.ledger.schedule_records import SCHEDULE_ROWS, Arrival, FileVersion, NewSchedule
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import explained
from tests.simtandem.ledger.older_ledgers import OLDER, has, make_older
from tests.simtandem.ledger.test_tables import shape

RUN, FILE = "20260131-a", "20260131-file"
HERE = AccountKey(DEFAULT, "cdn.emnify.net")
SCHEDULED = pl.DataFrame([(2, "11", None, None, "activated", None, None)], schema=SCHEDULE_ROWS, orient="row")


def found(ledger: Ledger, ident: str, strand: Strand) -> tuple[Standing, list[Finding]]:
    with ledger.database.snapshot() as connection:
        entries = heads.of_chain(connection, ident, strand)
        proof = verify_chain(ident, Recorded(connection, ident, strand), witnesses(entries), strand)
        check_chain(connection, proof, entries, [], strand)
    return proof.standing, proof.findings


ON_EACH = [*(("sqlite", each) for each in OLDER), *(("postgresql", each) for each in OLDER[::4])]
"""On PostgreSQL an upgrade from the oldest revision runs through all others, so that a few are enough."""


@pytest.mark.parametrize(("new_url", "revision"), ON_EACH, indirect=["new_url"])
def test_a_ledger_of_every_earlier_revision_is_upgraded_without_loss(
    new_url: Callable[[], str],
    a_run: Callable[..., RunRecord],
    plan: pl.DataFrame,
    rejected: pl.DataFrame,
    results: pl.DataFrame,
    revision: str,
) -> None:
    newest, older = new_url(), new_url()
    scheduled = has(revision, "0003")
    with closing(Ledger.open(newest)) as ledger:
        ledger.start_run(a_run(RUN))
        ledger.record_rejected(RUN, rejected)
        ledger.record_plan(RUN, plan)
        ledger.record_outcomes(RUN, [OutcomeRecord(2, half, Outcome.APPLIED, 1) for half in Half])
        ledger.record_verdicts(RUN, results)
        if has(revision, "0005"):
            explanations.record(ledger, RUN, explained())
        ledger.record_state(RUN, RunState.FINISHED, {}, sealed=True)
        if scheduled:
            moment = datetime(2026, 12, 4, 12, tzinfo=UTC)
            arrival = Arrival(FILE, FileVersion("/inbox", "a.csv", 10, "1.000", "e3b0"), moment, "a.csv", 1, 2)
            assert Schedules(ledger).record(arrival, [NewSchedule(f"{FILE}.1", moment, SCHEDULED)], rejected)
        known = ledger.last_known(HERE)
        with ledger.database.read() as connection:
            made = shape(connection)
    assert known.height == 1

    make_older(newest, older, revision)
    for _ in range(2):  # what an upgrade left behind would be in the way of the next start
        with closing(Ledger.open(older)) as upgraded:
            chained = Standing.UNTOUCHED if has(revision, "0002") else Standing.UNCHAINED
            assert found(upgraded, RUN, RUNS) == (chained, [])
            assert_frame_equal(Plan.validate(upgraded.plan(RUN)), plan)
            assert_frame_equal(Results.validate(upgraded.results(RUN)), results)
            assert_frame_equal(upgraded.rejected(RUN), rejected)
            assert_frame_equal(upgraded.last_known(HERE), known)
            if scheduled:
                assert found(upgraded, FILE, ARRIVALS) == (Standing.UNTOUCHED, [])
                assert_frame_equal(Schedules(upgraded).rows(f"{FILE}.1"), SCHEDULED)
            with upgraded.database.snapshot() as connection:
                assert verify_heads(connection).findings == []
                assert differences(connection) == []
                assert shape(connection) == made

    with closing(Ledger.open(older)) as upgraded:
        upgraded.start_run(a_run("another"))
        upgraded.record_outcomes(RUN, [OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1)])
        assert [found(upgraded, ident, RUNS)[1] for ident in (RUN, "another")] == [[], []]

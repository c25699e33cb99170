"""A process that was only thought to be dead, and comes back while another one continues its run."""

import pytest
from sqlalchemy import update

from simtandem.errors import LedgerError
from simtandem.ledger import flow_runs, leases
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.sharing_tables import leases as lease_rows
from simtandem.runs import finish
from simtandem.runs.apply import Applying
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.sending import fleet_of, outcomes, sims

FLOW_RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"


async def test_a_run_that_continues_elsewhere_sends_and_judges_nothing_more(make_run: MakeRun) -> None:
    carrier, run = ActingCarrier(fleet_of(2)), make_run(sims(2))
    await prepare(run, carrier)
    database = run.ledger.database
    run.continued = mine = flow_runs.take(database, Continued(FLOW_RUN), run.run_id)
    carrier.reads.clear()
    async with CallWriter(run.ledger, run.run_id) as journal:
        carrier.journal, applying = journal, Applying(run, carrier, journal)
        async with applying.turn():
            (work,) = applying.batches()
            assert mine
            assert flow_runs.take(database, mine, run.run_id), "another process continues it"
            with database.write() as connection:
                connection.execute(update(lease_rows).values(ended_at=leases.now(connection)))
            with pytest.raises(LedgerError, match="This process sends and records nothing more"):
                await applying.apply(work, work.first)
    with pytest.raises(LedgerError, match="continues on"):
        finish.finish(run)
    assert (carrier.sent, carrier.reads, outcomes(run)) == ([], [], {})
    assert run.ledger.results(run.run_id).is_empty()

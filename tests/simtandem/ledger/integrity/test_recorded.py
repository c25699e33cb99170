"""What is read of a run to compare it with its chain, and how much of it at once."""

from collections.abc import Callable

import pytest
from sqlalchemy import event, text

from simtandem.ledger.integrity import verify
from simtandem.ledger.integrity.proof import Proof, Standing
from simtandem.ledger.integrity.recorded import Recorded
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger

RUN = "20260131-a"


def proof_of(ledger: Ledger, hear: Callable[[str], object] = str) -> Proof:
    with ledger.database.snapshot() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: hear(told[2]))
        return verify.verify_chain(RUN, Recorded(connection, RUN))


def test_only_the_tables_are_read_that_have_anything_of_the_run(
    ledger: Ledger, a_run: Callable[..., RunRecord]
) -> None:
    ledger.start_run(a_run(RUN))
    asked: list[str] = []
    proof = proof_of(ledger, asked.append)
    assert (proof.standing, proof.counts) == (Standing.UNTOUCHED, {"run": 1})
    assert len(asked) == 3, "its links, what there is of it, its header"


def test_a_change_is_found_among_more_facts_than_are_compared_at_once(
    whole_run: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_SHARE", 1)
    row = whole_run.results(RUN)["row"][-1]
    with whole_run.database.write() as connection:
        changed = text("UPDATE verdicts SET reason = 'another' WHERE row = :row AND run_id = :run_id")
        connection.execute(changed, {"row": row, "run_id": RUN})
    assert [str(each) for each in proof_of(whole_run).findings] == [f"the verdict on row {row} was changed"]

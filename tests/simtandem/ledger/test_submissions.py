"""What a run sent and may be under way, by the calls of the record: a request that was refused is none."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from schemas.accounts import AccountKey
from simtandem.carriers.protocol import Answer, Call, ticket_note
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind, RunRecord
from simtandem.ledger.store import Ledger
from simtandem.ledger.submissions import sent_changes
from tests.simtandem.ledger.conftest import Clock

HERE = AccountKey("aer", "iot.test")
CHANGE = Call("POST", "/state-changes", "change", 1, "{}")
POLL = Call("GET", "/requests/REQ1", "read")
MakeRun = Callable[..., RunRecord]


async def record(ledger: Ledger, run_id: str, *calls: tuple[Call, Answer | None]) -> None:
    async with CallWriter(ledger, run_id) as journal:
        for call, answer in calls:
            call_id = await journal.intent(call)
            if answer is not None:
                await journal.answer(call_id, answer)


@pytest.fixture
def begun(ledger: Ledger, a_run: MakeRun) -> Ledger:
    here = {"account": "aer", "carrier_host": "iot.test"}
    ledger.start_run(a_run("a", **here))
    ledger.start_run(a_run("other", **{**here, "account": "eu"}))
    ledger.start_run(a_run("look", kind=RunKind.PLAN, **here))
    return ledger


async def test_changes_that_were_taken_or_not_answered_are_under_way_until_their_ticket_has_ended(
    begun: Ledger, clock: Clock
) -> None:
    since = clock.now
    await record(
        begun,
        "a",
        (CHANGE, Answer(201, 0.1, None, "", ticket_note("REQ1"))),
        (CHANGE, None),
        *((CHANGE, Answer(status, 0.1)) for status in (408, 409, 429, 503)),
        (CHANGE, Answer(None, 0.1, None, "ReadTimeout")),
        (POLL, Answer(200, 0.1, None, "", ticket_note("REQ1", ended=True))),
        (Call("GET", "/details", "read"), Answer(200, 0.1)),
    )
    found = [(each.change, each.ticket, each.ended) for each in sent_changes(begun, HERE, since)]
    assert sorted(found) == [(False, "REQ1", True), *[(True, "", False)] * 4, (True, "REQ1", False)]


async def test_what_is_older_or_another_accounts_or_of_a_run_that_only_looked_does_not_count(
    begun: Ledger, clock: Clock
) -> None:
    await record(begun, "a", (CHANGE, None))
    clock.advance(60)
    since = clock.now
    await record(begun, "other", (CHANGE, None))
    await record(begun, "look", (POLL, Answer(200, 0.1, None, "", ticket_note("REQ2"))))
    assert sent_changes(begun, HERE, since) == []
    assert len(sent_changes(begun, HERE, since - timedelta(seconds=61))) == 1

"""Which changes other runs sent for an account."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from schemas.accounts import DEFAULT, AccountKey
from simtandem.carriers.protocol import Answer, Call
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import Clock

MakeRecord = Callable[..., RunRecord]
PATCH = Call("PATCH", "/api/v1/sim/1", "change")


def ago(clock: Clock, seconds: float) -> datetime:
    return clock.now - timedelta(seconds=seconds)


@pytest.mark.parametrize("spelled", ["CDN.emnify.net", "cdn.emnify.net:443", "cdn.emnify.net."])
async def test_a_carrier_is_the_same_however_its_host_was_spelled(
    ledger: Ledger, clock: Clock, a_run: MakeRecord, spelled: str
) -> None:
    for run_id, host in (("ours", "cdn.emnify.net"), ("older", spelled)):
        ledger.start_run(a_run(run_id, carrier_host=host))
    async with CallWriter(ledger, "older") as journal:
        await journal.answer(await journal.intent(PATCH), Answer(204, 0.1))
    assert ledger.changes_at(AccountKey(DEFAULT, "cdn.emnify.net"), but_for="ours", since=ago(clock, 10))[
        "run_id"
    ].to_list() == ["older"]

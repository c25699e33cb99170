"""What is shown of a rate limit: what is left, who used it, who is sending; of all hosts where they share a ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.call_budget import CallsLeft
from simtandem.carriers.host_slots import HostSlots, slots_file
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.ledger.call_slots import LedgerSlots
from simtandem.ledger.leases import Lease
from simtandem.ledger.store import Ledger
from simtandem.runs.rate_limit_use import calls_left_now, said, sending_now
from simtandem.settings import Settings
from tests.simtandem.ledger.conftest import new_schema, new_url, postgres_server, url

__all__ = ["new_schema", "new_url", "postgres_server", "url"]

WINDOW = Window("calls", 95, 300.0)


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    return Settings(home=tmp_path, ledger_url=url, calls=100)  # type: ignore[arg-type]  # pydantic makes it a secret


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    with Ledger.open(settings.ledger()) as opened:
        yield opened


async def test_what_is_left_is_of_all_who_share_it(settings: Settings, ledger: Ledger) -> None:
    if ledger.database.is_postgres:
        slots: LedgerSlots | HostSlots = LedgerSlots(ledger.database, settings.slots_pool, "run-1", at_most_s=5)
    else:
        slots = HostSlots(slots_file(settings.home, settings.account_key.file_name))
    budget = CallBudget(slots)
    for _ in range(3):
        async with budget.place([WINDOW]):
            pass
    budget.close()
    left = calls_left_now(settings, ledger)
    assert left is not None
    assert (left.left, left.calls) == (92, 95)
    told = said(left, sending_now(settings, ledger))
    assert told.startswith("92 of 95 calls in 300 s left")
    assert ("used: 3 by run-1" in told) is ledger.database.is_postgres


def test_runs_that_are_sending_are_named_until_they_end(settings: Settings, ledger: Ledger) -> None:
    lease = Lease(ledger.database, settings.account_key.file_name, "run-1", urgent=True)
    lease.begin()
    assert "sending: run-1 on " in said(calls_left_now(settings, ledger), sending_now(settings, ledger))
    assert "(urgent)" in said(calls_left_now(settings, ledger), sending_now(settings, ledger))
    lease.end()
    assert sending_now(settings, ledger) == []


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (None, "what the rate limit has left can't be read"),
        (CallsLeft(10, 5.0, (1.0,) * 10, 7.2), "0 of 10 calls in 5 s left; rate-limited (HTTP 429) for 7 s more"),
        (
            CallsLeft(10, 5.0, (1.0,) * 5, 0.0, (("a", 2), ("b", 1), ("c", 1), ("d", 1))),
            "5 of 10 calls in 5 s left; used: 2 by a, 1 by b, 1 by c and 1 others",
        ),
    ],
)
def test_it_is_said_in_words(left: CallsLeft | None, told: str) -> None:
    assert said(left, []) == told

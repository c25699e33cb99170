"""An audit names simtandem's endpoint call where the carrier perhaps moved a SIM on it."""

from datetime import datetime, timedelta

import pytest

from schemas.tables import Explained
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.attribution import CLOCK_SKEW, EVENT_LAG, explain
from simtandem.domain.own_calls import explained
from tests.simtandem.domain.test_attribution import LATER, MOVES, change, event, log, minutes, steps


def said(before: str, *, call: datetime, at: datetime | None = None, half: str = "endpoint") -> str:
    """What is said of a SIM that became Activated, of which an event at this time tells, by a call of simtandem."""
    ours = steps((half, "9", "Enabled", call))
    events = log(event(8, at, name="SIM activation")) if at else log()
    told = explain(change(before=before, after="Activated"), ours, events, MOVES, LATER + EVENT_LAG)
    return str(Explained.validate(explained(told, ours, EMNIFY))["explanation"].item())


ADDED = "; perhaps on simtandem's call to its endpoint at 2026-03-01 09:00:00 UTC (run r, row 2)"


@pytest.mark.parametrize("before", ["Issued", "Factory Test"])
@pytest.mark.parametrize("at", [None, minutes(60), minutes(60) + CLOCK_SKEW])
def test_a_call_when_the_sim_moved_is_named(before: str, at: datetime | None) -> None:
    assert said(before, call=minutes(60), at=at).endswith(ADDED)


@pytest.mark.parametrize(
    ("before", "call", "at"),
    [
        ("Suspended", minutes(60), minutes(60)),
        ("Issued", minutes(60), minutes(60) + CLOCK_SKEW + timedelta(seconds=1)),
        ("Issued", minutes(-60), None),
    ],
)
def test_a_call_that_can_not_have_done_it_is_not_named(before: str, call: datetime, at: datetime | None) -> None:
    assert "simtandem" not in said(before, call=call, at=at)

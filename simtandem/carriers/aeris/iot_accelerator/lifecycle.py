"""The rules of the IoT Accelerator, as a table.

A SIM has one half. The published interface names the states; which moves are legal and what they cost is each
contract's, and is in no source. So ACTIVE is taken for charged, that limits hold, and nothing says that it is. The
table has the moves from in use to paused or switched off and back, and from NEW to in use; everything else is refused.
TERMINATED is taken as final: its number is in quarantine, and the way back is not simtandem's to go.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from schemas.statuses import Half
from simtandem.domain.abilities import Ability
from simtandem.domain.device_ids import IdKind
from simtandem.domain.event_moves import EventMoves
from simtandem.domain.lifecycle import Goal, Lifecycle, Status

_NEW, _ACTIVE, _PAUSE, _DEACTIVATED = "NEW", "ACTIVE", "PAUSE", "DEACTIVATED"
_UNKNOWN_FEE = "what this costs is the contract's"

_STATUSES = (
    Status(name=_NEW),
    Status(name=_ACTIVE, charged=True, on=True, fee_in=_UNKNOWN_FEE),
    Status(name=_PAUSE, fee_in=_UNKNOWN_FEE),
    Status(name=_DEACTIVATED, fee_in=_UNKNOWN_FEE),
    Status(name="ACTIVE_NO_BILLING", on=True),
    Status(name="DEACTIVATED_NO_BILLING"),
    Status(name="OPERATOR_BLOCKED"),
    Status(name="TERMINATED", final=True),
    Status(name="TERMINATED_PENDING", final=True, aliases=("PENDING_TERMINATION",)),
    Status(name="REMOVED", final=True),
)

_SIMS = tuple(replace(status, charge_known=False) for status in _STATUSES)

IOT_ACCELERATOR: Final = Lifecycle(
    carrier="iot-accelerator",
    sims=_SIMS,
    sim_moves=frozenset(
        {
            (_NEW, _ACTIVE),
            (_ACTIVE, _PAUSE),
            (_PAUSE, _ACTIVE),
            (_ACTIVE, _DEACTIVATED),
            (_DEACTIVATED, _ACTIVE),
        }
    ),
    goals=(
        Goal(word="activated", sim=_ACTIVE, words=("activate", "active"), verb="activate"),
        Goal(word="suspended", sim=_PAUSE, words=("suspend", "pause", "paused"), verb="pause"),
        Goal(word="deactivated", sim=_DEACTIVATED, words=("deactivate",), verb="deactivate"),
    ),
    bulk_sims=1000,
    looks_per_change=2,  # a poll of the request and a look at its SIMs, where both show it at once
    ids=(
        IdKind(name="iccid", pattern="[0-9]{19,20}", shape="19 or 20 digits"),
        IdKind(name="imsi", pattern="[0-9]{14,15}", shape="14 or 15 digits"),
        IdKind(name="msisdn", pattern="[0-9]{7,15}", shape="7 to 15 digits, in a column called msisdn", marked=True),
    ),
    abilities=frozenset({Ability.LIST_FLEET, Ability.COUNT_FLEET, Ability.EVENTS, Ability.LATE_CHANGES}),
    given_by={Ability.LIST_FLEET: ", or set SIMTANDEM_IOT_ACCELERATOR_COMPANY to the company whose fleet it is"},
    events=EventMoves(
        statuses={number: (Half.SIM, one.name) for number, one in enumerate(_SIMS, 1)},
        kept=timedelta(days=88),  # "up to 3 months back", of which the shortest have 89 days
    ),
)
"""The moves at the IoT Accelerator that this table allows."""


def of_company(company: str, bulk: int) -> Lifecycle:
    """The rules for a company's SIMs, so many in a request. The platform lists and counts by company: none, neither."""
    unknown = frozenset() if company else frozenset({Ability.LIST_FLEET, Ability.COUNT_FLEET})
    return replace(IOT_ACCELERATOR, bulk_sims=bulk, abilities=IOT_ACCELERATOR.abilities - unknown)

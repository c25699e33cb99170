"""The rules of the IoT Accelerator, as a table.

A SIM has one half. The published interface names the states; which moves are legal and what they cost is each
contract's, and is in no source. So this table has the moves between in use, paused and switched off, in both
directions, and out of NEW; everything else is refused. TERMINATED is taken as final: its number is in quarantine, and
the way back is not simtandem's to go.
"""

from typing import Final

from simtandem.domain.abilities import Ability
from simtandem.domain.device_ids import IdKind
from simtandem.domain.lifecycle import Goal, Lifecycle, Status

_NEW, _ACTIVE, _PAUSE, _DEACTIVATED = "NEW", "ACTIVE", "PAUSE", "DEACTIVATED"
_UNKNOWN_FEE = "what this costs is the contract's"

IOT_ACCELERATOR: Final = Lifecycle(
    carrier="iot-accelerator",
    sims=(
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
    ),
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
    looks_per_change=3,
    ids=(
        IdKind(name="iccid", pattern="[0-9]{19,20}", shape="19 or 20 digits"),
        IdKind(name="imsi", pattern="[0-9]{14,15}", shape="14 or 15 digits"),
    ),
    abilities=frozenset({Ability.LIST_FLEET, Ability.COUNT_FLEET, Ability.LATE_CHANGES}),
)
"""The moves at the IoT Accelerator that this table allows."""

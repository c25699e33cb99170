"""The rules of Aeris's own platform (AerPort, AerAdmin 5), as a table.

A SIM has one half. From Aeris's article on SIM states: which states there are, which carry traffic, and that suspending
costs a one-time fee. Inferred, stated by no source: that only an Active-billed SIM can be suspended, that a Suspended
one goes back to Active-billed, and that both Provisioned and Suspended end there automatically. Thresholds are each
contract's and are not here. Moves that no source has are refused. From Assigned to Active-billed is a move of some
plans only, so a setting allows it.

A device is read by ICCID or IMSI: no source has the call that reads one by its device profile id or MSISDN.

Suspending does not silence a SIM: its traffic continues, at the overage rate. A traffic policy does, which is no state.
"""

from dataclasses import replace
from typing import Final

from simtandem.domain.abilities import Ability
from simtandem.domain.device_ids import IdKind
from simtandem.domain.lifecycle import Goal, Lifecycle, Status

_ASSIGNED, _PROVISIONED, _BILLED, _SUSPENDED, _CANCELED = (
    "Assigned",
    "Provisioned",
    "Active-billed",
    "Suspended",
    "Canceled",
)

AERADMIN: Final = Lifecycle(
    carrier="aeradmin",
    sims=(
        Status(name=_ASSIGNED, aliases=("Assign", "Initial")),
        Status(
            name=_PROVISIONED,
            on=True,
            leaves="it becomes Active-billed automatically once the contract's data, messages, days or months are used",
            becomes=_BILLED,
            fee_in="a provision fee is due where the rate plan has one, and usage at the contract's overage rate",
            aliases=("Provision",),
        ),
        Status(name=_BILLED, charged=True, on=True, aliases=("Bill", "Billed", "Start Billing")),
        Status(
            name=_SUSPENDED,
            on=True,
            leaves="it becomes Active-billed automatically when the contract's months of suspension are over",
            becomes=_BILLED,
            fee_in="suspending costs a one-time fee, and traffic the overage rate",
            aliases=("Suspend",),
        ),
        Status(name=_CANCELED, charge_known=False, final=True, aliases=("Cancel", "Cancelled", "Deactivate")),
    ),
    sim_moves=frozenset(
        {
            (_ASSIGNED, _PROVISIONED),
            (_PROVISIONED, _BILLED),
            (_BILLED, _SUSPENDED),
            (_SUSPENDED, _BILLED),
        }
    ),
    goals=(
        Goal(
            word="activated",
            sim=_BILLED,
            words=("activate", "active", "activebilled", "bill", "billed", "startbilling"),
            verb="start billing",
        ),
        Goal(word="suspended", sim=_SUSPENDED, words=("suspend",), verb="suspend"),
        Goal(word="provisioned", sim=_PROVISIONED, words=("provision",), verb="provision"),
    ),
    refusals={
        (_ASSIGNED, "activated"): (
            "an Assigned SIM can't be billed at once; provision it first (status provisioned), then ask for activated"
        ),
        (_ASSIGNED, "suspended"): "an Assigned SIM can't be suspended, and isn't charged as it is",
        (_PROVISIONED, "suspended"): "no source says that a Provisioned SIM can be suspended; it isn't charged monthly",
    },
    moves_given_by={
        (_ASSIGNED, _BILLED): "; where your contract allows it at once, set SIMTANDEM_AERADMIN_ASSIGNED_TO_BILLED=1"
    },
    looks_per_change=1,
    ids=(
        IdKind(name="iccid", pattern="[0-9]{19,20}", shape="19 or 20 digits"),
        IdKind(name="imsi", pattern="[0-9]{14,15}", shape="14 or 15 digits"),
    ),
    abilities=frozenset({Ability.LATE_CHANGES}),
    given_by={
        Ability.LIST_FLEET: (
            ", or export the list of SIMs from AerPort and set SIMTANDEM_AERADMIN_EXPORT to its file and "
            "SIMTANDEM_AERADMIN_EXPORT_ICCID to its column with the ICCID"
        )
    },
)
"""The legal moves at AerAdmin, by every contract."""


def of_contract(*, assigned_to_billed: bool) -> Lifecycle:
    """The rules by a contract that lets an Assigned SIM be billed at once, or does not."""
    if not assigned_to_billed:
        return AERADMIN
    return replace(AERADMIN, sim_moves=AERADMIN.sim_moves | AERADMIN.moves_given_by.keys(), moves_given_by={})

"""emnify's rules for a device, as a table: status numbers, what is charged, legal moves, which half goes first.

Legal SIM moves: Issued to Activated, Issued to Factory Test, Factory Test to Activated, Activated to Suspended and
back. Nothing else. An endpoint goes between Enabled and Disabled freely, with one trap: changing it while its SIM is in
Factory Test makes the carrier activate the SIM, which charges it and can't be undone.

A SIM is charged while it is Activated, with any endpoint.
"""

from collections.abc import Mapping
from typing import Final

from schemas.event_types import ASSIGNED, RELEASED, STATUS_AFTER
from schemas.sim_actions import SimAction
from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.domain.abilities import Ability
from simtandem.domain.device_ids import DIGITS, IdKind
from simtandem.domain.event_moves import EventMoves
from simtandem.domain.lifecycle import Goal, Lifecycle, Status
from simtandem.domain.sim_actions import ActionRule

SIM_STATUS_IDS: Final[Mapping[SimStatus, int]] = {
    SimStatus.ISSUED: 0,
    SimStatus.ACTIVATED: 1,
    SimStatus.SUSPENDED: 2,
    SimStatus.DELETED: 3,
    SimStatus.FACTORY_TEST: 4,
}
"""The carrier's number for each SIM status."""

ENDPOINT_STATUS_IDS: Final[Mapping[EndpointStatus, int]] = {
    EndpointStatus.ENABLED: 0,
    EndpointStatus.DISABLED: 1,
    EndpointStatus.DELETED: 2,
}
"""The carrier's number for each endpoint status."""

_REFUSALS: Final[Mapping[tuple[str, str], str]] = {
    (SimStatus.ISSUED, Target.SUSPENDED): (
        "an Issued SIM can't be suspended, and isn't charged as it is; "
        "to suspend it, activate it first, which charges the month"
    ),
    (SimStatus.FACTORY_TEST, Target.SUSPENDED): (
        "a SIM in Factory Test can't be suspended; to suspend it, activate it first, which charges the month"
    ),
    (SimStatus.ACTIVATED, Target.FACTORY_TEST): (
        "an Activated SIM can't go to Factory Test, only an Issued one can; to stop its charges, suspend it"
    ),
    (SimStatus.SUSPENDED, Target.FACTORY_TEST): (
        "a Suspended SIM can't go to Factory Test, only an Issued one can; to use it, activate it"
    ),
}
_FACTORY_TEST_TRAP: Final = (
    "the SIM is in Factory Test already and its endpoint is Disabled; enabling the endpoint now would make the carrier "
    "activate the SIM, which charges it and can't be undone; leave the pair as it is, or ask for activated"
)
_UNWISHED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("issued", "0"), "a SIM can't become Issued again; allowed are {allowed}"),
    **dict.fromkeys(("deleted", "delete", "3"), "simtandem deletes nothing; allowed are {allowed}"),
    **dict.fromkeys(
        ("enabled", "enable", "disabled", "disable"),
        "is an endpoint status; use activated or suspended, which set the endpoint as well",
    ),
}
_TESTED = (
    "the SIM is in Factory Test, and changing its endpoint can make the carrier activate it, which charges it and "
    "can't be undone; leave it until its test is over, or activate it first"
)
_GONE: Final[Mapping[str, str]] = {SimStatus.DELETED: "the SIM is Deleted, which is final; take the row out"}
_GONE_ENDPOINT: Final[Mapping[str, str]] = {
    EndpointStatus.DELETED: "the endpoint is Deleted, which is final; take the row out"
}
_ACTIONS: Final = (
    ActionRule(
        action=SimAction.ASSIGN,
        words=("assigned",),
        sims={**_GONE, SimStatus.FACTORY_TEST: _TESTED},
        endpoints=_GONE_ENDPOINT,
        undone_by=SimAction.RELEASE,
    ),
    ActionRule(
        action=SimAction.RELEASE,
        words=("released", "unassign"),
        sims={**_GONE, SimStatus.FACTORY_TEST: _TESTED},
        undone_by=SimAction.ASSIGN,
    ),
    ActionRule(
        action=SimAction.RESET_CONNECTIVITY,
        words=("reset",),
        sims={
            **_GONE,
            SimStatus.FACTORY_TEST: "the SIM is in Factory Test, and a reset makes the carrier activate it, "
            "which charges it and can't be undone",
            SimStatus.ISSUED: "the SIM is Issued, so its device can't attach; activate it first",
            SimStatus.SUSPENDED: "the SIM is Suspended, so its device can't attach; activate it first",
        },
        endpoints={
            **_GONE_ENDPOINT,
            EndpointStatus.DISABLED: "the endpoint is Disabled, so its device can't attach; activate the pair first",
        },
        no_undo="a connectivity reset leaves nothing to take back",
    ),
    ActionRule(
        action=SimAction.REGISTER_BATCH,
        words=("register",),
        statuses={
            "issued": SimStatus.ISSUED,
            "activated": SimStatus.ACTIVATED,
            "factorytest": SimStatus.FACTORY_TEST,
        },
        no_undo="a registered batch stays in the workspace",
    ),
)
"""What can be done besides a status. Deleting is left out on purpose: nothing brings a SIM back."""

EMNIFY: Final = Lifecycle(
    carrier="emnify",
    sims=(
        Status(name=SimStatus.ISSUED, words=("0",)),
        Status(name=SimStatus.ACTIVATED, charged=True, on=True),
        Status(name=SimStatus.SUSPENDED),
        Status(name=SimStatus.DELETED, final=True, words=("delete", "3")),
        Status(
            name=SimStatus.FACTORY_TEST,
            on=True,
            leaves="it activates itself when its volume or its time is used up",
            becomes=SimStatus.ACTIVATED,
            touched=SimStatus.ACTIVATED,
        ),
    ),
    sim_moves=frozenset(
        {
            (SimStatus.ISSUED, SimStatus.ACTIVATED),
            (SimStatus.ISSUED, SimStatus.FACTORY_TEST),
            (SimStatus.FACTORY_TEST, SimStatus.ACTIVATED),
            (SimStatus.ACTIVATED, SimStatus.SUSPENDED),
            (SimStatus.SUSPENDED, SimStatus.ACTIVATED),
        }
    ),
    endpoints=(
        Status(name=EndpointStatus.ENABLED, on=True, words=("enable", "0"), verb="enable"),
        Status(name=EndpointStatus.DISABLED, words=("disable", "1"), verb="disable"),
        Status(name=EndpointStatus.DELETED, final=True, words=("delete", "2")),
    ),
    endpoint_moves=frozenset(
        {
            (EndpointStatus.ENABLED, EndpointStatus.DISABLED),
            (EndpointStatus.DISABLED, EndpointStatus.ENABLED),
        }
    ),
    goals=(
        Goal(
            word=Target.ACTIVATED,
            sim=SimStatus.ACTIVATED,
            endpoint=EndpointStatus.ENABLED,
            words=("activate", "active", "1"),
            verb="activate",
        ),
        Goal(
            word=Target.SUSPENDED,
            sim=SimStatus.SUSPENDED,
            endpoint=EndpointStatus.DISABLED,
            words=("suspend", "2"),
            verb="suspend",
        ),
        Goal(
            word=Target.FACTORY_TEST,
            sim=SimStatus.FACTORY_TEST,
            endpoint=EndpointStatus.ENABLED,
            words=("4",),
            verb="factory test",
        ),
    ),
    bulk_endpoints=2000,
    refusals=_REFUSALS,
    trap=_FACTORY_TEST_TRAP,
    unwished=_UNWISHED,
    ids=(
        IdKind(name="sim_id", pattern=DIGITS),
        IdKind(name="endpoint_id", pattern=DIGITS),
        IdKind(name="iccid", pattern="89[0-9]{17,18}", kept=19, check_digit=True),
    ),
    actions=_ACTIONS,
    abilities=frozenset(
        {Ability.LIST_FLEET, Ability.COUNT_FLEET, Ability.EVENTS, Ability.NETWORK_EVENTS, Ability.OWNERS}
    ),
    events=EventMoves(statuses=STATUS_AFTER, released=RELEASED, assigned=ASSIGNED),
)
"""The legal moves at emnify."""

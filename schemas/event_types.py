"""The carrier's event types, as far as they are documented.

Types are added from time to time, so the catalogue is no gate: an event of a type that isn't in it is kept, with the
carrier's own words. The table of events is `schemas.tables.Events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from schemas.statuses import EndpointStatus, Half, SimStatus


class EventGroup(StrEnum):
    """What an event type is about."""

    GENERIC = "Generic"
    NETWORK = "Network attachment and location"
    DATA_CONNECTION = "Data connection lifecycle"
    AUTHENTICATION = "Application and user authentication"
    USERS = "User management"
    DEVICE_STATUS = "Device status management"
    LIMITS = "Limit enforcement"
    DATA_QUOTA = "Data quota management"
    SMS_QUOTA = "SMS quota management"
    CLOUD_CONNECT = "CloudConnect lifecycle"
    OPENVPN = "OpenVPN lifecycle"
    ORGANISATION = "Organization and billing"
    UNKNOWN = "Not in the catalogue"


class EventSource(IntEnum):
    """Who caused an event. A click in the carrier's portal is a call of its API, too."""

    NETWORK = 0
    POLICY_CONTROL = 1
    API = 2


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event. `id` is the carrier's number."""

    id: int
    name: str
    group: EventGroup
    description: str


def _types(group: EventGroup, *types: tuple[int, str, str]) -> tuple[EventType, ...]:
    return tuple(EventType(number, name, group, description) for number, name, description in types)


CATALOGUE: Final = (
    *_types(
        EventGroup.GENERIC,
        (0, "Generic", "Anything without a type of its own, such as a data session ended to apply a new policy."),
    ),
    *_types(
        EventGroup.NETWORK,
        (1, "Update location", "The device reported its location to the network, for calls and SMS."),
        (2, "Update GPRS location", "The device reported its location to the network, for data."),
        (15, "Purge location", "A network forgot where the device is, for calls and SMS: it shows as offline."),
        (16, "Purge GPRS location", "A network forgot where the device is, for data."),
    ),
    *_types(
        EventGroup.DATA_CONNECTION,
        (3, "Create PDP Context", "A data session was opened, or refused; the description says why."),
        (5, "Delete PDP Context", "A data session ended; its volume is in the details."),
    ),
    *_types(
        EventGroup.AUTHENTICATION,
        (6, "User authentication failed", "Someone failed to log in with an e-mail address of the organisation."),
        (7, "Application authentication failed", "An application token was not accepted."),
        (13, "Support Access", "The carrier's staff entered the organisation on behalf of a user."),
        (14, "Multi-factor Authentication", "A user removed the second factor from the own account."),
        (67, "User switched workspace", "A user switched to another workspace."),
    ),
    *_types(
        EventGroup.USERS,
        (41, "User verified", "A user confirmed an e-mail address."),
        (46, "User deleted", "A user deleted the account of another."),
    ),
    *_types(
        EventGroup.DEVICE_STATUS,
        (8, "SIM activation", "A SIM went to Activated, by someone or automatically out of Factory Test."),
        (9, "SIM suspension", "A SIM went to Suspended; its charges end with the month."),
        (10, "SIM deletion", "A SIM left the inventory permanently."),
        (42, "Endpoint enabled", "An endpoint went to Enabled."),
        (43, "Endpoint disabled", "An endpoint went to Disabled."),
        (45, "SIM factory test", "An Issued SIM went to Factory Test."),
        (48, "SIM registration", "A SIM or a batch of them was registered by its batch code."),
        (50, "SIM Released", "A SIM was taken from its endpoint."),
        (51, "SIM Assigned", "A SIM was given to an endpoint."),
        (68, "Reset connectivity", "Someone had a device forget its network state and attach anew."),
        (69, "SIM migration", "SIMs moved to another workspace: one event there, one here."),
    ),
    *_types(
        EventGroup.LIMITS,
        (11, "Endpoint blocked", "A device went over a limit of its policy and has no service."),
        (12, "Organisation blocked", "The organisation went over its cost limit or its prepaid balance."),
    ),
    *_types(
        EventGroup.DATA_QUOTA,
        (18, "Quota threshold reached", "Little is left of a device's data quota."),
        (19, "Quota used up", "Nothing is left of a device's data quota: it is blocked or slowed down."),
        (52, "Data quota enabled", "A service profile asks for data quotas now: no quota, no data."),
        (53, "Data quota disabled", "A service profile no longer asks for data quotas."),
        (56, "Data quota assigned", "A device got a data quota."),
        (57, "Data quota deleted", "A device's data quota was removed."),
        (60, "Data quota expired", "A device's data quota ran out of time."),
    ),
    *_types(
        EventGroup.SMS_QUOTA,
        (20, "SMS quota threshold reached", "Little is left of a device's SMS quota."),
        (21, "SMS quota used up", "Nothing is left of a device's SMS quota."),
        (54, "SMS quota enabled", "A service profile asks for SMS quotas now: no quota, no SMS."),
        (55, "SMS quota disabled", "A service profile no longer asks for SMS quotas."),
        (58, "SMS quota assigned", "A device got an SMS quota."),
        (59, "SMS quota deleted", "A device's SMS quota was removed."),
    ),
    *_types(
        EventGroup.CLOUD_CONNECT,
        (22, "CloudConnect TGW Resource Share created", "A transit gateway was shared with a cloud account."),
        (23, "CloudConnect TGW available", "A transit gateway is ready for use."),
        (25, "CloudConnect TGW breakout terminated", "A transit gateway's breakout was ended."),
    ),
    *_types(EventGroup.OPENVPN, (30, "OpenVPN authentication", "A client logged in to the VPN.")),
    *_types(
        EventGroup.ORGANISATION,
        (31, "Organisation updated", "Country, name or verification data of the organisation changed."),
        (32, "Billing configuration updated", "The organisation's billing configuration changed."),
    ),
)
"""Every documented type."""

BY_ID: Final[Mapping[int, EventType]] = {kind.id: kind for kind in CATALOGUE}
"""The documented types by their numbers."""

STATUS_AFTER: Final[Mapping[int, tuple[Half, SimStatus | EndpointStatus]]] = {
    8: (Half.SIM, SimStatus.ACTIVATED),
    9: (Half.SIM, SimStatus.SUSPENDED),
    10: (Half.SIM, SimStatus.DELETED),
    42: (Half.ENDPOINT, EndpointStatus.ENABLED),
    43: (Half.ENDPOINT, EndpointStatus.DISABLED),
    45: (Half.SIM, SimStatus.FACTORY_TEST),
}
"""The types that say a half has a new status. Six: as many as one query of the carrier's takes."""

RELEASED, ASSIGNED = 50, 51
"""The types that say a SIM was taken from an endpoint, or given to one."""

CREATE_PDP_CONTEXT: Final = 3
ATTACHES: Final = (1, 2, CREATE_PDP_CONTEXT)
"""The types that say a device has attached to a network; a data session may be refused, which its description says."""
ORGANISATION_BLOCKED: Final = 12
ALERTS: Final = (CREATE_PDP_CONTEXT, 11, ORGANISATION_BLOCKED, 19, 21)
"""The types that say a device, or its organisation, has no service any more; of data sessions those refused."""


def type_of(number: int, words: str = "") -> EventType:
    """The type with this number; one that isn't in the catalogue gets the carrier's `words` for a name."""
    return BY_ID.get(number) or EventType(number, words or f"type {number}", EventGroup.UNKNOWN, words)

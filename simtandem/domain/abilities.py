"""What a carrier's interface can do besides reading and changing a SIM by its id; and what is said without it. Pure."""

from enum import StrEnum


class Ability(StrEnum):
    """An ability a carrier may lack. Its value completes "the carrier can't …"."""

    LIST_FLEET = "list its whole fleet"
    COUNT_FLEET = "say how many SIMs its fleet has"
    EVENTS = "list events"
    NETWORK_EVENTS = "list events of the network"
    OWNERS = "change whose a SIM is"
    LATE_CHANGES = "confirm a change later than in its answer"


def without(carrier: str, ability: Ability, therefore: str) -> str:
    """The sentence about a feature that needs what the carrier lacks: what it can't do, and what follows."""
    return f"{carrier} can't {ability}: {therefore}"

"""The states of a SIM at AerPort, and the moves between them that the stand-in for a change allows."""

from enum import StrEnum


class State(StrEnum):
    """The five states, as Aeris's article on SIM states names them. `deviceStatus` spells them otherwise."""

    ASSIGNED = "Assigned"
    PROVISIONED = "Provisioned"
    ACTIVE_BILLED = "Active-billed"
    SUSPENDED = "Suspended"
    CANCELED = "Canceled"


MOVES = frozenset(
    {
        (State.ASSIGNED, State.PROVISIONED),
        (State.PROVISIONED, State.ACTIVE_BILLED),
        (State.ACTIVE_BILLED, State.SUSPENDED),  # inferred: no source says from where
        (State.SUSPENDED, State.ACTIVE_BILLED),  # inferred from the older interface's `unsuspend`
        (State.CANCELED, State.PROVISIONED),  # `reprovision`
        *((state, State.CANCELED) for state in State if state is not State.CANCELED),
    }
)
"""What a change may do. Assigned to Active-billed is a setting, as it depends on the plan."""


def state_called(word: object) -> State:
    """The state with this name. Raises ValueError, which names those there are."""
    for state in State:
        if state == word:
            return state
    raise ValueError(f"no state is called {word!r}: it is one of {', '.join(State)}")

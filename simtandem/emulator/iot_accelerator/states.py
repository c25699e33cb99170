"""The states of a subscription, of a request to change some, and of each of its subscriptions."""

from enum import StrEnum


class State(StrEnum):
    """What a subscription can be, as the search answers it."""

    NEW = "NEW"
    ACTIVE = "ACTIVE"
    PAUSE = "PAUSE"
    DEACTIVATED = "DEACTIVATED"
    TERMINATED = "TERMINATED"
    TERMINATED_PENDING = "TERMINATED_PENDING"
    REMOVED = "REMOVED"
    OPERATOR_BLOCKED = "OPERATOR_BLOCKED"
    ACTIVE_NO_BILLING = "ACTIVE_NO_BILLING"
    DEACTIVATED_NO_BILLING = "DEACTIVATED_NO_BILLING"


SETTABLE = frozenset(
    {
        State.ACTIVE,
        State.PAUSE,
        State.DEACTIVATED,
        State.TERMINATED,
        State.ACTIVE_NO_BILLING,
        State.DEACTIVATED_NO_BILLING,
    }
)
"""What a change may ask for."""

_IMPOSED = frozenset({State.OPERATOR_BLOCKED, State.TERMINATED_PENDING, State.REMOVED})


class RequestState(StrEnum):
    """What a request can be."""

    IN_PROGRESS = "IN_PROGRESS"
    PENDING = "PENDING"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_FAILURES = "COMPLETED_WITH_FAILURES"
    UNKNOWN = "UNKNOWN"


class ResourceState(StrEnum):
    """What one subscription of a request can be."""

    IN_PROGRESS = "IN_PROGRESS"
    PENDING = "PENDING"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


def may_move(before: State) -> bool:
    """Whether a change leads out of this state. **A stand-in**: which moves are legal is each contract's matter.

    So every move is, but out of what the operator imposed. Out of TERMINATED there is a way back for a while.
    """
    return before not in _IMPOSED


def state_called(word: object) -> State:
    """The state with this name. Raises ValueError, which names those there are."""
    for state in State:
        if state == word:
            return state
    raise ValueError(f"no state is called {word!r}: it is one of {', '.join(State)}")

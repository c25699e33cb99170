"""The rules of an audit: what is wrong with a device in some state, whether that costs money, and what ends it. Pure.

A repair is a status that ends the finding. Where simtandem had put the device before comes first, then what is safe: it
charges no SIM anew and can be undone. Files of repairs never contradict each other about a device. Where no status is a
repair, the remedy says what is left to do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.statuses import Finding
from simtandem.domain.lifecycle import Goal, Lifecycle
from simtandem.domain.split_pairs import split


@dataclass(frozen=True, slots=True)
class State:
    """What a device is, and where simtandem last put it.

    The status of a half is None where that half is missing, or was not read. Without `expected_sim` nothing is
    expected; without `expected_endpoint`, nothing of the endpoint.
    """

    has_sim: bool
    sim: str | None
    has_endpoint: bool
    endpoint: str | None
    desired: str | None = None
    expected_sim: str | None = None
    expected_endpoint: str | None = None


class Judgement(NamedTuple):
    """One finding about a device. `charged`: its SIM costs money for nothing; None where nobody knows."""

    finding: Finding
    charged: bool | None
    repair: str | None
    remedy: str


def judge(state: State, lifecycle: Lifecycle) -> Iterator[Judgement]:
    """Everything that is wrong with a device in this state."""
    for finding in _findings(state, lifecycle):
        repair = _repair(finding, state, lifecycle)
        remedy = _remedy(finding, state, repair, lifecycle)
        yield Judgement(finding, _charged(finding, state, lifecycle), repair.word if repair else None, remedy)


def _findings(state: State, lifecycle: Lifecycle) -> Iterator[Finding]:
    sim, endpoint = state.sim, state.endpoint
    found = split(lifecycle, sim, endpoint, alone=not state.has_endpoint)
    if found is not None:
        yield found
    if not state.has_sim and not (endpoint is not None and lifecycle.endpoint(endpoint).final):
        yield Finding.ENDPOINT_WITHOUT_SIM
    if sim is not None and _becomes_charged(sim, lifecycle):
        yield Finding.FACTORY_TEST
    if _drifted(state):
        yield Finding.DRIFTED


def _becomes_charged(sim: str, lifecycle: Lifecycle) -> bool:
    """Whether the carrier can move a SIM out of this status automatically, so that it is charged."""
    return lifecycle.sim(sim).becomes in lifecycle.charged


def _drifted(state: State) -> bool:
    if state.expected_sim is None or (state.has_sim and state.sim is None):
        return False
    unread = state.has_endpoint and state.endpoint is None
    endpoint_moved = state.expected_endpoint is not None and not unread and state.endpoint != state.expected_endpoint
    return state.sim != state.expected_sim or endpoint_moved


def _charged(finding: Finding, state: State, lifecycle: Lifecycle) -> bool | None:
    if state.sim is not None and not lifecycle.sim(state.sim).charge_known:
        return None
    if finding is Finding.DRIFTED:
        works = not lifecycle.has_endpoints or (state.endpoint is not None and lifecycle.endpoint(state.endpoint).on)
        return state.sim in lifecycle.charged and not (state.expected_sim in lifecycle.charged and works)
    return finding in (Finding.PAYING_BUT_OFF, Finding.SIM_WITHOUT_ENDPOINT)


def _safe(finding: Finding, state: State, lifecycle: Lifecycle) -> Sequence[Goal]:
    """The goals that end a finding, charge no SIM anew and can be undone. Drift ends only where the device was."""
    if finding is Finding.PAYING_BUT_OFF:  # charged already: switching it on costs nothing new
        return (*lifecycle.charging, *lifecycle.saving)
    if finding is Finding.ON_BUT_DEAD:  # switching the SIM on would charge it anew
        return tuple(goal for goal in lifecycle.goals if goal.sim == state.sim)
    return lifecycle.saving if finding is Finding.SIM_WITHOUT_ENDPOINT else ()


def _ended_by(finding: Finding, lifecycle: Lifecycle) -> Sequence[Goal]:
    """All goals that end a finding. Out of a status that ends automatically, the only way charges the SIM."""
    if finding in (Finding.PAYING_BUT_OFF, Finding.ON_BUT_DEAD):
        return (*lifecycle.charging, *lifecycle.saving)
    if finding is Finding.SIM_WITHOUT_ENDPOINT:
        return lifecycle.saving
    return lifecycle.goals if finding is Finding.DRIFTED else ()


def _repair(finding: Finding, state: State, lifecycle: Lifecycle) -> Goal | None:
    before = [goal for goal in _ended_by(finding, lifecycle) if goal.word == state.desired]
    for goal in (*before, *_safe(finding, state, lifecycle)):
        move = lifecycle.move(state.sim, state.endpoint, goal.word)
        arrives = move.sim_after == state.expected_sim and state.expected_endpoint in (None, move.endpoint_after)
        if not move.refusal and (arrives or finding is not Finding.DRIFTED):
            return goal
    return None


def _remedy(finding: Finding, state: State, repair: Goal | None, lifecycle: Lifecycle) -> str:
    if repair is not None:
        told = _sentence(finding, state, repair, lifecycle)
        return f"{told}; simtandem had put it there" if repair.word == state.desired else told
    if finding is Finding.ENDPOINT_WITHOUT_SIM:
        return "no status helps: assign a SIM to the endpoint; it costs nothing"
    if finding is Finding.FACTORY_TEST and state.sim is not None:
        return _ends_by_itself(state.sim, lifecycle)
    first = lifecycle.saving[0] if lifecycle.saving else lifecycle.goals[0]
    target = (state.desired if finding is Finding.DRIFTED else None) or first.word
    refusal = lifecycle.move(state.sim, state.endpoint, target).refusal
    return refusal or "no status brings it back: it has no endpoint any more, or another one"


def _sentence(finding: Finding, state: State, repair: Goal, lifecycle: Lifecycle) -> str:
    """What a repair does and what it costs."""
    if finding is Finding.DRIFTED:
        return f"make it {repair.word.replace('_', ' ')} again"
    if repair in lifecycle.saving and repair.sim != state.sim:
        fee = lifecycle.fees(state.sim or "", repair.sim) if state.sim else ""
        told = f"{repair.verb} the SIM: saves its fee from next month on{fee and '; '}{fee}"
        use = "; to use it, assign an endpoint to it first"
        return told + (use if finding is Finding.SIM_WITHOUT_ENDPOINT and repair.word != state.desired else "")
    if repair in lifecycle.charging and repair.sim != state.sim:
        return f"{repair.verb} the SIM again, which charges it"
    switch = lifecycle.endpoint(repair.endpoint or "").verb
    other = lifecycle.saving if repair in lifecycle.charging else lifecycle.charging
    word = other[0].word if other else ""
    if repair in lifecycle.charging:
        instead = word and f"; to save its fee from next month on, ask for {word} instead"
        return f"{switch} the endpoint: the SIM is charged already{instead}"
    instead = word and f"; to put the device to use, ask for {word}, which charges the SIM"
    return f"{switch} the endpoint, which costs nothing{instead}"


def _ends_by_itself(sim: str, lifecycle: Lifecycle) -> str:
    status = lifecycle.sim(sim)
    words = [goal.word for goal in lifecycle.charging if (sim, goal.sim) in lifecycle.sim_moves]
    for_good = " and can't be undone" if sim in lifecycle.without_return else ""
    now = f"; to end that now, ask for {words[0]}, which charges the SIM{for_good}" if words else ""
    return f"not charged yet; {status.leaves}{now}"

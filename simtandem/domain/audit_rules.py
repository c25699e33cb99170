"""The rules of an audit: what is wrong with a device in some state, whether that costs money, and what ends it. Pure.

A repair is a status that ends the finding. Where simtandem had put the device before comes first, then what is safe: it
charges no SIM anew and can be undone. Files of repairs never contradict each other about a device. Where no status is a
repair, the remedy says what is left to do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.statuses import EndpointStatus, Finding, SimStatus, Target
from simtandem.domain.lifecycle import Lifecycle

_SAFE: Mapping[Finding, tuple[Target, ...]] = {
    Finding.PAYING_BUT_OFF: (Target.ACTIVATED, Target.SUSPENDED),  # charged already: switching it on costs nothing new
    Finding.ON_BUT_DEAD: (Target.SUSPENDED,),  # switching the SIM on would charge it anew
    Finding.SIM_WITHOUT_ENDPOINT: (Target.SUSPENDED,),
    Finding.ENDPOINT_WITHOUT_SIM: (),  # no status helps
    Finding.FACTORY_TEST: (),  # the only way out charges the SIM, for good
    Finding.DRIFTED: (),  # only back to where it was
}
_ENDED_BY: Mapping[Finding, tuple[Target, ...]] = {
    Finding.PAYING_BUT_OFF: (Target.ACTIVATED, Target.SUSPENDED),
    Finding.ON_BUT_DEAD: (Target.ACTIVATED, Target.SUSPENDED),
    Finding.SIM_WITHOUT_ENDPOINT: (Target.SUSPENDED,),
    Finding.ENDPOINT_WITHOUT_SIM: (),
    Finding.FACTORY_TEST: (),
    Finding.DRIFTED: tuple(Target),
}
_REPAIRS: Mapping[tuple[Finding, Target], str] = {
    (Finding.PAYING_BUT_OFF, Target.ACTIVATED): (
        "enable the endpoint: the SIM is charged already; to save its fee from next month on, ask for suspended instead"
    ),
    (Finding.PAYING_BUT_OFF, Target.SUSPENDED): "suspend the SIM: saves its fee from next month on",
    (Finding.ON_BUT_DEAD, Target.SUSPENDED): (
        "disable the endpoint, which costs nothing; to put the device to use, ask for activated, which charges the SIM"
    ),
    (Finding.ON_BUT_DEAD, Target.ACTIVATED): "activate the SIM again, which charges it",
    (Finding.SIM_WITHOUT_ENDPOINT, Target.SUSPENDED): (
        "suspend the SIM: saves its fee from next month on; to use it, assign an endpoint to it first"
    ),
}
_ADVICE: Mapping[Finding, str] = {
    Finding.ENDPOINT_WITHOUT_SIM: "no status helps: assign a SIM to the endpoint, or delete it; it costs nothing",
    Finding.FACTORY_TEST: (
        "not charged yet; it activates itself when its volume or its time is used up; to end the test now, ask for "
        "activated, which charges the SIM and can't be undone"
    ),
}


@dataclass(frozen=True, slots=True)
class State:
    """What a device is, and where simtandem last put it.

    The status of a half is None where that half is missing, or was not read. Without `expected_sim` nothing is
    expected; without `expected_endpoint`, nothing of the endpoint.
    """

    has_sim: bool
    sim: SimStatus | None
    has_endpoint: bool
    endpoint: EndpointStatus | None
    desired: Target | None = None
    expected_sim: SimStatus | None = None
    expected_endpoint: EndpointStatus | None = None


class Judgement(NamedTuple):
    """One finding about a device. `charged`: its SIM costs money for nothing."""

    finding: Finding
    charged: bool
    repair: Target | None
    remedy: str


def judge(state: State, lifecycle: Lifecycle) -> Iterator[Judgement]:
    """Everything that is wrong with a device in this state."""
    for finding in _findings(state):
        repair = _repair(finding, state, lifecycle)
        yield Judgement(finding, _charged(finding, state), repair, _remedy(finding, state, repair, lifecycle))


def _findings(state: State) -> Iterator[Finding]:
    sim, endpoint = state.sim, state.endpoint
    if sim is SimStatus.ACTIVATED and endpoint is EndpointStatus.DISABLED:
        yield Finding.PAYING_BUT_OFF
    if sim is SimStatus.SUSPENDED and endpoint is EndpointStatus.ENABLED:
        yield Finding.ON_BUT_DEAD
    if sim is SimStatus.ACTIVATED and (not state.has_endpoint or endpoint is EndpointStatus.DELETED):
        yield Finding.SIM_WITHOUT_ENDPOINT
    if not state.has_sim and endpoint is not EndpointStatus.DELETED:
        yield Finding.ENDPOINT_WITHOUT_SIM
    if sim is SimStatus.FACTORY_TEST:
        yield Finding.FACTORY_TEST
    if _drifted(state):
        yield Finding.DRIFTED


def _drifted(state: State) -> bool:
    if state.expected_sim is None or (state.has_sim and state.sim is None):
        return False
    unread = state.has_endpoint and state.endpoint is None
    endpoint_moved = (
        state.expected_endpoint is not None and not unread and state.endpoint is not state.expected_endpoint
    )
    return state.sim is not state.expected_sim or endpoint_moved


def _charged(finding: Finding, state: State) -> bool:
    if finding is Finding.DRIFTED:
        useless = state.expected_sim is not SimStatus.ACTIVATED or state.endpoint is not EndpointStatus.ENABLED
        return state.sim is SimStatus.ACTIVATED and useless
    return finding in (Finding.PAYING_BUT_OFF, Finding.SIM_WITHOUT_ENDPOINT)


def _repair(finding: Finding, state: State, lifecycle: Lifecycle) -> Target | None:
    targets = [*_SAFE[finding]]
    if state.desired is not None and state.desired in _ENDED_BY[finding]:
        targets.insert(0, state.desired)
    for target in targets:
        move = lifecycle.move(state.sim, state.endpoint, target)
        arrives = move.sim_after is state.expected_sim and state.expected_endpoint in (None, move.endpoint_after)
        if not move.refusal and (arrives or finding is not Finding.DRIFTED):
            return target
    return None


def _remedy(finding: Finding, state: State, repair: Target | None, lifecycle: Lifecycle) -> str:
    if repair is not None:
        told = _REPAIRS.get((finding, repair), f"make it {repair.replace('_', ' ')} again")
        return f"{told}; simtandem had put it there" if repair is state.desired else told
    if finding in _ADVICE:
        return _ADVICE[finding]
    target = (state.desired if finding is Finding.DRIFTED else None) or Target.SUSPENDED
    refusal = lifecycle.move(state.sim, state.endpoint, target).refusal
    return refusal or "no status brings it back: it has no endpoint any more, or another one"

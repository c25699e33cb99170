"""emnify's rules for a device: status numbers, legal moves, which half goes first, what a half-done pair may do.

Legal SIM moves: Issued to Activated, Issued to Factory Test, Factory Test to Activated, Activated to Suspended and
back. Nothing else. An endpoint goes between Enabled and Disabled freely, with one trap: changing it while its SIM is in
Factory Test makes the carrier activate the SIM, which charges it and can't be undone.

A SIM is charged while it is Activated, whatever its endpoint. So it goes on last and off first, and a stop between two
halves leaves no pair that is paying but off.
"""

from collections.abc import Mapping
from typing import Final

from schemas.statuses import EndpointStatus, Half, SimStatus, Target
from simtandem.domain.lifecycle import Move, Pair

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

_ILLEGAL: Final[Mapping[tuple[SimStatus, Target], str]] = {
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
_PAYING_BUT_OFF: Final = (
    "a split pair that is charged and can't work; apply the status activated to use it, suspended to stop its charges"
)
_PAYING_FOR_NOTHING: Final = (
    "a split pair that is charged for nothing; to use it, assign it to an endpoint, then apply the status activated"
)
_NO_STEPS_BACK: Final = "and no legal step leads back there; apply the status activated or suspended instead"


class EmnifyLifecycle:
    """The legal moves at emnify. Pure; where there is no legal move, the answer says what is legal instead."""

    bulk_endpoints: int = 2000

    def move(self, sim: SimStatus | None, endpoint: EndpointStatus | None, target: Target | None) -> Move:
        """The way for a device in this state. Halves that are right already are part of the answer, too.

        Suspending works without an endpoint, or beside a Deleted one, which stays as it is: it saves money. Everything
        else needs the whole pair; only for a SIM that changes no more than its owner it does not matter.
        """
        if target is None:
            refusal = _final(sim)
            return Move(refusal=refusal) if refusal else Move(sim, endpoint, Half.SIM)
        refusal = _refusal(sim, endpoint, target)
        if refusal:
            return Move(refusal=refusal)
        return Move(
            sim_after=target.sim,
            endpoint_after=endpoint if endpoint in (None, EndpointStatus.DELETED) else target.endpoint,
            first=_first(sim, target),
        )

    def restore(self, left: Pair, was: Pair) -> Move:
        """The way back from where a run left a device to exactly where it `was`: what is charged stays as it is.

        The SIM may be suspended again, and the endpoint of an Issued or a Suspended SIM goes either way.
        """
        sim, endpoint = was
        if sim is SimStatus.ACTIVATED and endpoint is EndpointStatus.DISABLED:
            return Move(refusal=_PAYING_BUT_OFF)
        if sim is SimStatus.ACTIVATED:
            return Move(refusal=_PAYING_FOR_NOTHING)
        sim_moves = left[0] is not sim
        legal = not sim_moves or (left[0], sim) == (SimStatus.ACTIVATED, SimStatus.SUSPENDED)
        if left[1] is not endpoint:
            there = EndpointStatus.DELETED not in (left[1], endpoint) and None not in (left[1], endpoint)
            legal = legal and there and sim in (SimStatus.ISSUED, SimStatus.SUSPENDED)
        return Move(sim, endpoint, Half.SIM if sim_moves else Half.ENDPOINT) if legal else Move(refusal=_NO_STEPS_BACK)

    def free_to_put_back(self, sim: SimStatus, endpoint_before: EndpointStatus) -> bool:
        """Whether the endpoint may go back for a SIM that is `sim` now: only beside an Issued or a Suspended SIM.

        In Factory Test the call would activate the SIM; beside an Activated SIM it would leave a pair paying but off.
        """
        return sim in (SimStatus.ISSUED, SimStatus.SUSPENDED) and endpoint_before is not EndpointStatus.DELETED


def _first(sim: SimStatus | None, target: Target) -> Half:
    """The half that goes first: on last, off first, and the SIM before anything touches an endpoint in Factory Test."""
    if target is Target.SUSPENDED or (sim is SimStatus.FACTORY_TEST and target is Target.ACTIVATED):
        return Half.SIM
    return Half.ENDPOINT


def _refusal(sim: SimStatus | None, endpoint: EndpointStatus | None, target: Target) -> str:
    """Why there is no legal way, or an empty text. What is final comes before what could be put right."""
    if sim is None or sim is SimStatus.DELETED:
        return _final(sim)
    if endpoint is EndpointStatus.DELETED:
        return _beside_deleted(sim, target)
    if (sim, target) in _ILLEGAL:
        return _ILLEGAL[sim, target]
    if endpoint is None:
        return "" if target is Target.SUSPENDED else _without_endpoint(sim, target)
    trap = (sim, endpoint, target) == (SimStatus.FACTORY_TEST, EndpointStatus.DISABLED, Target.FACTORY_TEST)
    return _FACTORY_TEST_TRAP if trap else ""


def _final(sim: SimStatus | None) -> str:
    """Why nothing at all can be done."""
    if sim is None:
        return "there is no SIM, so it can never be online; assign one first"
    return "the SIM is Deleted, which is final; take the row out" if sim is SimStatus.DELETED else ""


def _beside_deleted(sim: SimStatus, target: Target) -> str:
    """Why a SIM whose endpoint is Deleted can't go there; it may be suspended, because it is charged for nothing."""
    if target is Target.SUSPENDED and sim in (SimStatus.ACTIVATED, SimStatus.SUSPENDED):
        return ""
    final = "the endpoint is Deleted, which is final"
    if sim is SimStatus.ACTIVATED:
        return f"{final}, and the SIM is charged for nothing; assign it to another endpoint, or suspend it"
    return f"{final}; assign the SIM to another endpoint first"


def _without_endpoint(sim: SimStatus, target: Target) -> str:
    """Why an endpoint has to be there first."""
    if sim is SimStatus.ACTIVATED:
        return "the SIM has no endpoint and is charged for nothing; assign an endpoint, or suspend it"
    if target is Target.ACTIVATED:
        return "the SIM has no endpoint, so activated it would be charged for nothing; assign an endpoint first"
    return "the SIM has no endpoint, so it can't be tested; assign an endpoint first"

"""What the lists of a carrier may say: its words for a status, and how the ids of its SIMs are spelled.

emnify's lists are checked most closely (`schemas.device_csv`): its ICCIDs begin with 89 and have a known check digit. A
carrier whose `Lifecycle` does not say so has ICCIDs of 19 or 20 digits, taken whole: to cut the last one off would name
another SIM. Where SIMs have no id but their ICCID, that may be in the column sim_id as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.device_csv import WISHES
from schemas.statuses import EMNIFY_TARGETS, Target
from simtandem.domain.lifecycle import Lifecycle

_OF_EMNIFY = frozenset({"not_89", "luhn", "issued", "deleted", "endpoint_word", "too_long"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`wishes`: words of a status cell, as `Lifecycle.wishes`. `unchecked`: checks that don't apply.

    `iccid_kept`: so many digits of an ICCID name the SIM; None: all. `allowed` are the words that sentences name.
    """

    wishes: Mapping[str, str] = field(default_factory=lambda: dict(WISHES))
    allowed: tuple[str, ...] = EMNIFY_TARGETS
    unchecked: frozenset[str] = frozenset()
    iccid_kept: int | None = 19
    carrier: str = ""

    def may_ask(self, to: Target | None) -> bool:
        """Whether this carrier has such a status."""
        return to is None or to in self.allowed


def vocabulary_of(lifecycle: Lifecycle | None) -> Vocabulary:
    """That of a carrier; of none: emnify's."""
    if lifecycle is None:
        return Vocabulary()
    iccid = next((kind for kind in lifecycle.ids if kind.name == "iccid"), None)
    plain = iccid is not None and not iccid.check_digit
    return Vocabulary(
        wishes=lifecycle.wishes,
        allowed=tuple(str(goal.word) for goal in lifecycle.goals),
        unchecked=_OF_EMNIFY if plain else frozenset(),
        iccid_kept=None if plain else 19,
        carrier=lifecycle.carrier,
    )

"""What the lists of a carrier may say: its words for a status, the kinds of ids it has, and how those are spelled.

All of it follows from the carrier's `Lifecycle`. An ICCID whose 20th digit is known to be a check digit is matched on
19; any other is taken whole: to cut the last one off would name another SIM. Where a carrier's SIMs have no id of its
own making, the column sim_id may hold any id that they do have.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.device_csv import CellRules
from schemas.statuses import Target
from simtandem.domain.device_ids import IdKind
from simtandem.domain.lifecycle import Lifecycle, as_written

_OWN = ("sim_id", "endpoint_id")
"""Ids of a carrier's own making: numbers. Their columns are checked as such where it has them."""
_NUMBER_CHECKS = ("thousands", "date", "not_digits", "zero", "too_long")
_ICCID_CHECKS = ("not_89", "luhn")
_NEVER = "$."


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`wishes`: words of a status cell, as `Lifecycle.wishes`; `unwished`: others, each with what is said of it.

    `allowed` are the words that sentences name. `rules` are for the cells, `kinds` the ids that name a device here.
    """

    carrier: str
    wishes: Mapping[str, str]
    unwished: Mapping[str, str]
    allowed: tuple[str, ...]
    kinds: tuple[IdKind, ...]
    rules: CellRules

    def may_ask(self, to: Target | None) -> bool:
        """Whether this carrier has such a status."""
        return to is None or to in self.allowed

    @property
    def iccid_kept(self) -> int | None:
        """So many digits of an ICCID name the SIM; None: all."""
        return next((kind.kept for kind in self.kinds if kind.name == "iccid"), None)

    @property
    def numbers(self) -> bool:
        """Whether the column sim_id holds numbers, whose leading zeros mean nothing."""
        return any(kind.name == "sim_id" for kind in self.kinds)

    @property
    def others(self) -> tuple[str, ...]:
        """The kinds of ids, best first, whose columns are read where neither sim_id nor iccid is there."""
        return tuple(kind.name for kind in self.kinds if kind.name not in (*_OWN, "iccid"))

    @property
    def stranger(self) -> str:
        """What is said of an id of no kind that this carrier has."""
        told = [f"{kind.name} ({kind.shape})" if kind.shape else kind.name for kind in self.kinds]
        return f"is no id that {self.carrier} has; it names a device by {' or '.join(told) or 'none'}"


def vocabulary_of(lifecycle: Lifecycle) -> Vocabulary:
    """That of a carrier."""
    allowed = tuple(str(goal.word) for goal in lifecycle.goals)
    listed = ", ".join(allowed)
    unwished = {
        as_written(each): f"is a status that nobody can ask for; allowed are {listed}"
        for status in (*lifecycle.sims, *lifecycle.endpoints)
        for each in (status.name, *status.aliases)
    }
    unwished |= {word: why.format(allowed=listed) for word, why in lifecycle.unwished.items()}
    return Vocabulary(
        carrier=lifecycle.carrier,
        wishes=lifecycle.wishes,
        unwished=unwished,
        allowed=allowed,
        kinds=lifecycle.ids,
        rules=CellRules(frozenset(lifecycle.wishes), frozenset(unwished), *_id_rules(lifecycle.ids)),
    )


def _id_rules(kinds: tuple[IdKind, ...]) -> tuple[frozenset[tuple[str, str]], dict[str, str]]:
    """The checks of columns that don't apply where the carrier has these ids, and the shapes that do instead."""
    named = {kind.name: kind for kind in kinds}
    iccid = named.get("iccid")
    unchecked = {("iccid", check) for check in _ICCID_CHECKS if iccid is None or not iccid.check_digit}
    shapes = {} if iccid else {"iccid": _NEVER}
    for column in _OWN:
        if column not in named:
            unchecked |= {(column, check) for check in _NUMBER_CHECKS}
            shapes[column] = _NEVER
    if "sim_id" in shapes:
        shapes["sim_id"] = "|".join(kind.written for kind in kinds if kind.name != "endpoint_id") or _NEVER
    return frozenset(unchecked), shapes

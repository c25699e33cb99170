"""The fields of a carrier that a selection may name. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class FieldKind(StrEnum):
    """What a field holds. The value completes "… is"."""

    TEXT = "a text"
    TAGS = "a set of tags"
    SIM_STATUS = "a status of the SIM"
    ENDPOINT_STATUS = "a status of the endpoint"
    DATE = "a date"
    NUMBER = "a number"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedField:
    """A field that the carrier's listing shows. `says` is what it is, for people; `aliases` are other names of it.

    `digits`: it is an id of which so many characters are compared; None: all. `days_known`: it is the newest moment of
    a log that surely shows today and so many days before; what has none there is earlier than what can be asked.
    """

    name: str
    kind: FieldKind
    says: str
    aliases: tuple[str, ...] = ()
    digits: int | None = None
    days_known: int | None = None


class Fields:
    """The fields of one carrier."""

    def __init__(self, carrier: str, fields: Iterable[ListedField]) -> None:
        self.carrier = carrier
        self.fields = tuple(fields)
        self._named = {name: each for each in self.fields for name in (each.name, *each.aliases)}

    def named(self, name: str) -> ListedField | None:
        """The field of this name, or of this alias."""
        return self._named.get(name)

    def instead_of(self, name: str) -> str:
        """What to say of a name that is none: the nearest one, and all there are."""
        near = get_close_matches(name, self._named, n=1)
        meant = f"; did you mean {near[0]}?" if near else "."
        return f"{self.carrier}'s listing shows no field {name[:40]}{meant} It shows {', '.join(self._names())}"

    def _names(self) -> list[str]:
        return [each.name for each in self.fields]

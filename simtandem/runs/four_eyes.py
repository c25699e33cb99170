"""Who asked for a run, who approved it, and how anybody knows: two people, where four eyes are demanded.

A name that someone typed is what they said, no more. One that the server's login vouches for is theirs. Both are kept
as what they are, and where two people are demanded, one kind is never held against the other.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from simtandem.errors import PlanRefused


class Identity(StrEnum):
    """How a name is known."""

    AUTHENTICATED = "authenticated"
    SELF_DECLARED = "self-declared"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, by name."""

    name: str
    identity: Identity = Identity.SELF_DECLARED

    def __str__(self) -> str:
        return f"{self.name} ({self.identity})"

    def as_record(self, role: str) -> dict[str, str]:
        """How the record keeps them."""
        return {role: self.name, f"{role}_identity": str(self.identity)}

    def is_same(self, other: "Person") -> bool:
        """Whether both are one, however the name is written: case, spaces and forms of letters make no other person."""
        return _plain(self.name) == _plain(other.name)


class Login(Protocol):
    """What the server's login knows of people. None where it has no names of them."""

    async def asked(self, flow_run: UUID) -> str | None:
        """Who began this flow run."""
        ...

    async def answered(self, flow_run: UUID, key: str) -> str | None:
        """Who answered what this flow run asked under that key."""
        ...


class SharedLogin:
    """One login for all, or none: it vouches for nobody."""

    async def asked(self, flow_run: UUID) -> str | None:
        """See `Login.asked`."""
        del flow_run
        return None

    async def answered(self, flow_run: UUID, key: str) -> str | None:
        """See `Login.answered`."""
        del flow_run, key
        return None


def person(authenticated: str | None, declared: str) -> Person | None:
    """Whom the login vouches for; else whom someone says they are; None where nobody says."""
    if authenticated and _plain(authenticated):
        return Person(_shown(authenticated), Identity.AUTHENTICATED)
    return Person(_shown(declared)) if _plain(declared) else None


def require_somebody(asked: Person | None) -> None:
    """Raise `PlanRefused` where four eyes are demanded of a run, and nobody says whose the first two are."""
    if asked is None:
        raise PlanRefused(
            "Another person has to approve this (SIMTANDEM_FOUR_EYES), and nobody says who asks. Nothing was sent.\n"
            "Start the run again with Who asks filled in.",
            "Not approved",
        )


def objection(asked: Person | None, approved: Person) -> str:
    """Why this approval is none where four eyes are demanded; empty where it is one."""
    if asked is None or asked.identity is not approved.identity:
        known = "nobody" if asked is None else str(asked)
        return f"{approved} approved what {known} asked for: these may be one person."
    if asked.is_same(approved):
        return f"{approved} asked for this and can't approve it (SIMTANDEM_FOUR_EYES): someone else has to."
    return ""


def _plain(name: str) -> str:
    """A name without what makes it look different, not be different: case, spaces, invisible signs, wide letters."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


def _shown(name: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())

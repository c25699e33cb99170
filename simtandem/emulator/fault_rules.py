"""Which calls go wrong: rules, and a seeded choice, so that the same calls meet the same faults."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Self, TypeVar


@dataclass(slots=True)
class CallFault:
    """Which calls meet a fault of this `kind`.

    A call matches by `method` (empty: any) and by `path`, a pattern that may match anywhere in the path. Of the
    matching calls the first `skip` are let through; of the rest every `every`-th, or a `share` of them by lot, meets
    the fault, at most `times` of them (0: no end). `processed` says, for a fault that hides the answer, whether the
    call is carried out before. `status` is that of an error, `seconds` how long a silence lasts.
    """

    kind: Any
    method: str = ""
    path: str = ""
    share: float = 1.0
    every: int = 1
    skip: int = 0
    times: int = 0
    processed: bool = False
    status: int = 0
    seconds: float = 60.0
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.status and not 400 <= self.status <= 599:
            raise ValueError(f"status must be one of an error: {self.status}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1: {self.share}")
        if self.every < 1:
            raise ValueError(f"every must be at least 1: {self.every}")
        if min(self.skip, self.times, self.seconds) < 0:
            raise ValueError("skip, times and seconds must not be negative")
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no pattern: {self.path!r}: {error}") from error

    @classmethod
    def from_json(cls, given: dict[str, object]) -> Self:
        """From an object with these fields. Raises ValueError or TypeError for anything else."""
        names = {each.name for each in fields(cls) if each.init}
        unknown = sorted(given.keys() - names)
        if unknown:
            raise ValueError(f"no such fields in a fault: {', '.join(unknown)}")
        return cls(**given)  # type: ignore[arg-type]  # a wrong type raises TypeError, which is the promise

    def matches(self, method: str, path: str, _body: bytes = b"") -> bool:
        """Whether the rule is about such calls at all."""
        return self.method in {"", method} and self._pattern.search(path) is not None

    def fires(self, draw: random.Random) -> bool:
        """Whether the next matching call meets the fault."""
        self.matched += 1
        if self.matched <= self.skip or (self.matched - self.skip) % self.every:
            return False
        if self.times and self.fired >= self.times:
            return False
        if self.share < 1 and draw.random() >= self.share:
            return False
        self.fired += 1
        return True


Rule = TypeVar("Rule", bound=CallFault)


class PickedFaults(Generic[Rule]):
    """The rules in force. The first that fires decides; the rules after it don't see that call."""

    def __init__(self, rules: Iterable[Rule] = (), seed: int = 0) -> None:
        self.rules = [replace(rule) for rule in rules]  # as new, nothing counted yet
        self._draw = random.Random(seed)  # noqa: S311 - repeatable is what it is for

    def pick(self, method: str, path: str, body: bytes = b"") -> Rule | None:
        """The fault this call meets, if any."""
        for rule in self.rules:
            if rule.matches(method, path, body) and rule.fires(self._draw):
                return rule
        return None

    def fired(self) -> list[dict[str, object]]:
        """How often each rule matched and fired, in the rules' order."""
        return [{"kind": rule.kind, "matched": rule.matched, "fired": rule.fired} for rule in self.rules]

"""Which calls go wrong, and how: rules, and a seeded choice, so that the same calls meet the same faults."""

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum


class FaultKind(StrEnum):
    """How a call goes wrong."""

    ERROR = "error"  # a JSON error of the carrier, `status` 500 or 503
    HTML = "html"  # an HTML page of the edge, `status` 502
    RESET = "reset"  # the connection is reset without an answer
    CLOSE = "close"  # the connection is closed without an answer
    HANG = "hang"  # nothing for `seconds`, then the answer if the caller is still there
    TRUNCATED = "truncated"  # the connection is closed in the middle of the body
    CUT_JSON = "cut_json"  # half the body, its length rightly declared
    MALFORMED_JSON = "malformed_json"  # a whole answer that is no JSON
    TOO_MANY = "too_many"  # a 429 without a reason, with Retry-After where `retry_after` says so
    REFUSED = "refused"  # a refusal with `status`, `code` and `message`; `code` 0: with an empty body
    BARE = "bare"  # the answer without its paging headers
    REVOKED = "revoked"  # every token is revoked; this call is the first to learn of it
    INSERT_FIRST = (
        "insert_first"  # after the answer, a row appears at the front of the listing: later pages repeat a row
    )
    DELETE_FIRST = "delete_first"  # after the answer, the first row of the listing goes: later pages miss one


_HEADER = re.compile(r"[ -~]*")
_DEFAULT_STATUS = {FaultKind.ERROR: 503, FaultKind.HTML: 502, FaultKind.REFUSED: 404}


@dataclass(slots=True)
class FaultRule:
    """Which calls, and what happens to them.

    A call matches by `method` (empty: any) and by `path`, a pattern that may match anywhere in the path. Of the
    matching calls the first `skip` are let through; of the rest every `every`-th, or a `share` of them by lot, meets
    the fault, at most `times` of them (0: no end). `processed` says, for a fault that hides the answer, whether the
    call is carried out before. A call whose body is damaged (an answer without one goes out whole) or whose pages are
    shifted always is.

    `ids` are those of SIMs or endpoints: then a call matches only if it names one of them, in its path or in the rows
    of a bulk call. A refused bulk call is carried out without these rows where the behaviour's `bulk` is `partial`.
    Without a `message`, a refusal says that the id was not found, which is what its `status` 404 and `code` 1401 mean.
    `retry_after` is sent as it stands, so that it may be no number of seconds.
    """

    kind: FaultKind
    method: str = ""
    path: str = ""
    share: float = 1.0
    every: int = 1
    skip: int = 0
    times: int = 0
    processed: bool = False
    status: int = 0
    seconds: float = 60.0
    retry_after: int | float | str | None = None
    ids: tuple[int, ...] = ()
    code: int = 1401
    message: str = ""
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.kind = FaultKind(self.kind)
        self.status = self.status or _DEFAULT_STATUS.get(self.kind, 0)
        if self.status and not 400 <= self.status <= 599:
            raise ValueError(f"status must be one of an error: {self.status}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1: {self.share}")
        if self.every < 1:
            raise ValueError(f"every must be at least 1: {self.every}")
        self.ids = tuple(self.ids)
        if not all(type(each) is int for each in self.ids):
            raise TypeError(f"ids must be numbers: {self.ids}")
        if self.retry_after is not None and not _HEADER.fullmatch(str(self.retry_after)):
            raise ValueError(f"retry_after must be fit for a header: {self.retry_after!r}")
        if min(self.skip, self.times, self.seconds) < 0:
            raise ValueError("skip, times and seconds must not be negative")
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no pattern: {self.path!r}: {error}") from error

    @classmethod
    def from_json(cls, given: dict[str, object]) -> "FaultRule":
        """From an object with these fields. Raises ValueError or TypeError for anything else."""
        names = {each.name for each in fields(cls) if each.init}
        unknown = sorted(given.keys() - names)
        if unknown:
            raise ValueError(f"no such fields in a fault: {', '.join(unknown)}")
        return cls(**given)  # type: ignore[arg-type]  # a wrong type raises TypeError, which is the promise

    def matches(self, method: str, path: str, body: bytes = b"") -> bool:
        """Whether the rule is about such calls at all."""
        if self.method not in {"", method} or self._pattern.search(path) is None:
            return False
        return not self.ids or any(each in self.ids for each in ids_named(path, body))

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


def ids_named(path: str, body: bytes) -> list[int]:
    """The SIM or endpoint that a path names, or those in the rows of a bulk call."""
    if not path.endswith("/multi"):
        return [int(part) for part in path.split("/") if part.isascii() and part.isdigit()]
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        return []
    found = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [int(each) for each in found if isinstance(each, int | float) and not isinstance(each, bool)]


class Faults:
    """The rules in force. The first that fires decides; the rules after it don't see that call."""

    def __init__(self, rules: Iterable[FaultRule] = (), seed: int = 0) -> None:
        self.rules = [replace(rule) for rule in rules]  # as new, nothing counted yet
        self._draw = random.Random(seed)  # noqa: S311 - repeatable is what it is for

    def pick(self, method: str, path: str, body: bytes = b"") -> FaultRule | None:
        """The fault this call meets, if any."""
        for rule in self.rules:
            if rule.matches(method, path, body) and rule.fires(self._draw):
                return rule
        return None

    def fired(self) -> list[dict[str, object]]:
        """How often each rule matched and fired, in the rules' order."""
        return [{"kind": rule.kind, "matched": rule.matched, "fired": rule.fired} for rule in self.rules]

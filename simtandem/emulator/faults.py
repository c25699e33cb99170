"""Which calls go wrong, and how: rules, and a seeded choice, so that the same calls meet the same faults."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from simtandem.emulator.fault_rules import CallFault, PickedFaults


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
class FaultRule(CallFault):
    """Which calls, and what happens to them: as `CallFault` says, and more.

    A call whose body is damaged (an answer without one goes out whole) or whose pages are shifted is always carried
    out before.

    `ids` are those of SIMs or endpoints: then a call matches only if it names one of them, in its path or in the rows
    of a bulk call. A refused bulk call is carried out without these rows where the behaviour's `bulk` is `partial`.
    Without a `message`, a refusal says that the id was not found, which is what its `status` 404 and `code` 1401 mean.
    `retry_after` is sent as it is, so that it may be no number of seconds.
    """

    kind: FaultKind
    retry_after: int | float | str | None = None
    ids: tuple[int, ...] = ()
    code: int = 1401
    message: str = ""

    def __post_init__(self) -> None:
        self.kind = FaultKind(self.kind)
        self.status = self.status or _DEFAULT_STATUS.get(self.kind, 0)
        self.ids = tuple(self.ids)
        if not all(type(each) is int for each in self.ids):
            raise TypeError(f"ids must be numbers: {self.ids}")
        if self.retry_after is not None and not _HEADER.fullmatch(str(self.retry_after)):
            raise ValueError(f"retry_after must be fit for a header: {self.retry_after!r}")
        CallFault.__post_init__(self)

    def matches(self, method: str, path: str, body: bytes = b"") -> bool:
        """Whether the rule is about such calls at all."""
        if not CallFault.matches(self, method, path, body):
            return False
        return not self.ids or any(each in self.ids for each in ids_named(path, body))


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


class Faults(PickedFaults[FaultRule]):
    """The rules in force."""

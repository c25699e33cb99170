"""What an emnify answer means: the HTTP status decides the class of an answer, the error code refines a refusal.

The API answers errors as `{error_code, error_token, message}`, the same with a list `errors`, a gateway's `{message}`,
nothing at all, or an HTML page from the edge. One code comes with several statuses: 1601 is an outage with a 503 and a
refusal permanently with a 404; 1401 is how an unknown id is answered. So 401 is about the token, 408, 429 and 5xx are
worth another attempt, and any other 4xx refuses what that call named, with any code.
"""

from dataclasses import dataclass
from enum import StrEnum

import httpx

from simtandem.carriers.emnify.item_mapping import number, words
from simtandem.carriers.response_body import Unusable, parse
from simtandem.text.redaction import redacted

_LONGEST_MESSAGE = 2000
_LARGEST_CODE = 2**31 - 1  # what every ledger can keep


class Kind(StrEnum):
    """What to do about an answer."""

    OK = "ok"
    UNAUTHORIZED = "unauthorized"  # a new token, then again
    THROTTLED = "throttled"  # wait, then again
    UNREACHED = "unreached"  # certainly not processed: again
    UNANSWERED = "unanswered"  # perhaps processed: read back before a write is sent again
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    CONFLICT = "conflict"

    @property
    def refused(self) -> bool:
        """Whether trying again would not help."""
        return self in (Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.INVALID, Kind.CONFLICT)


BY_CODE = {
    1104: (Kind.FORBIDDEN, "the application token may not do this"),
    1201: (Kind.NOT_FOUND, "the carrier does not have it (any more)"),
    1400: (Kind.INVALID, "the carrier found the request invalid"),
    1401: (Kind.INVALID, "the carrier found a reference in the request invalid"),
    1402: (Kind.INVALID, "the carrier found the request invalid"),
    1403: (Kind.INVALID, "the carrier found the request invalid"),
    1405: (Kind.CONFLICT, "the carrier has that already"),
    1406: (Kind.CONFLICT, "the carrier does not allow this change"),
}
"""What a code says more of a refusal than its HTTP status does."""

_NOT_THERE = (None, 1201, 1401)
"""With these codes, or none, a 404 says that something is not there. 1601, "No IP Address available.", does not."""

BY_STATUS = {
    400: (Kind.INVALID, "the carrier found the request invalid"),
    401: (Kind.UNAUTHORIZED, "the token has expired or was revoked"),
    403: (Kind.FORBIDDEN, "the application token may not do this"),
    404: (Kind.NOT_FOUND, "the carrier does not have it (any more)"),
    405: (Kind.FORBIDDEN, "the carrier does not offer this call"),
    408: (Kind.UNANSWERED, "the carrier gave up waiting for the request"),
    409: (Kind.CONFLICT, "the carrier does not allow this change"),
    422: (Kind.INVALID, "the carrier found the request invalid"),
    429: (Kind.THROTTLED, "too many requests"),
}


REDIRECTS = "the carrier redirects the call: is the base address right?"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read. `data` is the parsed body of a good answer; `sentence` is for a person and quotes no secret."""

    kind: Kind
    status: int | None
    sentence: str = ""
    code: int | None = None
    data: object = None
    headers: httpx.Headers | None = None


def read(response: httpx.Response, *, wants_body: bool, body: bytes | None = None) -> Reply:
    """What the answer means. `wants_body`: a good answer carries JSON, and one without it is no answer at all.

    `body` is what was read of a streamed response. Secrets are left out where the carrier's message quotes them.
    """
    status, content = response.status_code, response.content if body is None else body
    why, data = "", None
    try:
        data = parse(content)
    except Unusable as unusable:
        why = str(unusable)
    code, message = _error(data)
    if 200 <= status < 300 and code is None:
        if not (isinstance(data, list | dict) if wants_body else not why):
            return unusable_reply(status, why or "it was cut short or is not JSON")
        return Reply(Kind.OK, status, data=data, headers=response.headers)
    kind, sentence = _meaning(status, code)
    detail = f"HTTP {status}" + (f", code {code}" if code is not None else "") + (f": {message}" if message else "")
    return Reply(kind, status, f"{sentence} ({detail})", code, headers=response.headers)


def unusable_reply(status: int, why: str) -> Reply:
    """An answer that came, and can't be used: whether the call was processed, nobody knows."""
    return Reply(Kind.UNANSWERED, status, f"the carrier's answer can't be used: {why}")


def _meaning(status: int, code: int | None) -> tuple[Kind, str]:
    if status >= 500:
        return Kind.UNANSWERED, "the carrier failed to answer"
    if status < 300:
        return Kind.UNANSWERED, "the carrier reported success and an error in one answer"
    kind, sentence = BY_STATUS.get(status, (Kind.INVALID, "the carrier refused the request"))
    if status >= 400 and kind in (Kind.INVALID, Kind.CONFLICT) and code in BY_CODE:
        return BY_CODE[code]
    if status == 404 and code not in _NOT_THERE:
        return kind, "the carrier refused the request"
    if 300 <= status < 400:
        return Kind.FORBIDDEN, REDIRECTS
    return kind, sentence


def _error(data: object) -> tuple[int | None, str]:
    """Error code and message of an error body, from its first inner error where the outer one has none."""
    if not isinstance(data, dict):
        return None, ""
    inner = data.get("errors")
    first = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], dict) else {}
    code = number(data.get("error_code", first.get("error_code")))
    if code is not None and not 0 <= code <= _LARGEST_CODE:
        code = None
    message = words(first.get("message")) or words(data.get("message"))
    shown = "".join(each if each.isprintable() else " " for each in redacted(message)[:_LONGEST_MESSAGE])
    return code, " ".join(shown.split())[:160]

"""The carrier's clock against this machine's: both decide how old a look is, and when a change was asked for."""

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

_WITHIN_S = 10.0


def ahead_s(url: str) -> float | None:
    """How many seconds this machine's clock is ahead of that server's, by the Date of an answer; None without one.

    It asks for the server's root, without a token: any answer has the time.
    """
    before = datetime.now(UTC)
    with suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
        said = httpx.get(url, timeout=_WITHIN_S, follow_redirects=False).headers.get("Date", "")
        after, theirs = datetime.now(UTC), parsedate_to_datetime(said)
        if theirs.tzinfo is not None:
            return (before + (after - before) / 2 - theirs).total_seconds()
    return None

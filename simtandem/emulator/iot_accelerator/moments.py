"""Times as the platform writes and reads them."""

from datetime import UTC, datetime
from typing import Any


def moment(at: float) -> str:
    """Seconds since 1970 as text."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(at: float) -> dict[str, Any]:
    """Seconds since 1970 as Subscription Management writes them."""
    return {"epochSecond": int(at), "nano": int(at % 1 * 1e9)}


def read_moment(text: object) -> float:
    """Text as seconds since 1970. Raises ValueError for what is no time with a zone."""
    at = datetime.fromisoformat(str(text))
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.timestamp()

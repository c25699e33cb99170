"""Parses the moment at which a row becomes effective.

A time with an offset is unambiguous. Without one it is local time in the configured zone. Twice a year local time is
ambiguous: an hour is skipped, another one is repeated. Both are invalid without an offset. A date alone is the
beginning of that day, which always exists once.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LATE = timedelta(days=7)
"""A change due longer ago than this is treated as a mistake and not carried out."""
FAR = timedelta(days=2 * 366)
"""A change further ahead than this is treated as a wrong year."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s?([Zz]|[+-]\d{2}:?\d{2})?", re.ASCII
)
_SAY = "write 2026-12-05, 2026-12-05 06:00 or 2026-12-05T06:00+01:00"


def reader(zone: ZoneInfo, now: datetime) -> Callable[[str], datetime]:
    """A function that reads moments, in UTC; it raises `ValueError` with what is wrong, for an operator to read.

    `now` is what "too long ago" and "too far ahead" are measured from.
    """

    def read(text: str) -> datetime:
        try:
            moment = parse(text, zone)
        except OverflowError:
            raise ValueError("is at the edge of the calendar; check the year") from None
        if moment < now - LATE:
            raise ValueError(f"is more than {LATE.days} days ago; changes that late are not carried out")
        if moment > now + FAR:
            raise ValueError("is more than two years ahead; check the year")
        return moment

    return read


def parse(text: str, zone: ZoneInfo) -> datetime:
    """The moment a text names, in UTC. Raises `ValueError` with what is wrong."""
    if _DATE.fullmatch(text):
        return _calendar(text).replace(tzinfo=zone).astimezone(UTC)
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"is not an ISO date or date and time; {_SAY}")
    date, time, offset = found.groups()
    if offset is None:
        return _of_wall_clock(_calendar(f"{date}T{time}"), zone)
    return _calendar(f"{date}T{time}{offset.upper()}").astimezone(UTC)


def _calendar(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is not in the calendar ({error}); {_SAY}") from None


def _of_wall_clock(wall: datetime, zone: ZoneInfo) -> datetime:
    first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall:
        raise ValueError(f"does not exist in {zone.key}: clocks skip that hour; choose another or write an offset")
    raise ValueError(
        f"exists twice in {zone.key}: clocks repeat that hour; add the offset that is meant, "
        f"{_offset(first)} (the first) or {_offset(second)}"
    )


def _offset(moment: datetime) -> str:
    text = f"{moment:%z}"
    return f"{text[:3]}:{text[3:5]}"

"""How numbers, times and lists read in a report."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

_MOST_NAMED = 8


def of(count: int, noun: str) -> str:
    """A count with its noun: "1 row", "1,180 rows"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def spoken(word: str) -> str:
    """A word of the domain as people say it: "in sync" for in_sync."""
    return word.replace("_", " ")


def duration(seconds: float) -> str:
    """A time span to the precision that matters: "12.5 s", "4 min 05 s", "3 h 20 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:,.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; a time without zone is taken to be UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stamp(moment: datetime) -> str:
    """Date and time in UTC: "2026-03-01 09:15:02"."""
    return f"{utc(moment):%Y-%m-%d %H:%M:%S}"


def day(moment: datetime) -> str:
    """The day in UTC: "2026-03-01"."""
    return f"{utc(moment):%Y-%m-%d}"


def amount(value: float) -> str:
    """A count, or a sum of money to the cent: "1,180", "1,180.50"."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def named_rows(rows: Sequence[int], place: Callable[[int], str] | None = None) -> str:
    """Which rows: "Row 17.", "Rows 17, 23 and 31.", "Rows 17, 23, … and 1,172 more.".

    With `place`, of a list of several files, where each of them is instead: "a.csv row 17 and b.csv row 2.".
    """
    named = [place(row) if place else str(row) for row in rows[:_MOST_NAMED]]
    rest = len(rows) - len(named)
    if place:
        last = f"{rest:,} more" if rest else named.pop()
        return f"{', '.join(named)} and {last}." if named else f"{last}."
    if len(rows) == 1:
        return f"Row {named[0]}."
    if rest:
        return f"Rows {', '.join(named)} and {rest:,} more."
    return f"Rows {', '.join(named[:-1])} and {named[-1]}."

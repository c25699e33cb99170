"""How the waves of a run are written: `50,500,rest` or `1%,10%,rest`, how much may fail, and how long is waited.

The functions raise `ValueError` with a sentence that says how to write it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

MOST_WAVES = 100
REST = "rest"
LONGEST_WAIT_S = 7 * 86_400

_AMOUNT = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,3})?) ?(?P<percent>%)?")
_WAIT = re.compile(r"(?P<number>[0-9]{1,6}) ?(?P<unit>[smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class WaveCheck(StrEnum):
    """What the carrier's events have to show before the next wave begins."""

    NONE = "none"
    ATTACHED = "attached"
    NO_ALERTS = "no-alerts"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of devices, or a percentage of them. As text it is what was written: `50`, `2.5%`."""

    number: Fraction
    percent: bool

    def of(self, devices: int) -> int:
        """So many of `devices`; of a percentage, the whole devices in it."""
        return int(self.number * devices / 100) if self.percent else int(self.number)

    def __str__(self) -> str:
        """As it is written."""
        return f"{float(self.number):g}%" if self.percent else str(int(self.number))


def amount(text: str) -> Amount:
    """A number, or a percentage of at most 100."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is not None:
        read = Amount(Fraction(found["number"]), found["percent"] is not None)
        if read.number <= 100 if read.percent else read.number.denominator == 1:
            return read
    raise ValueError(f"{text.strip()[:40]!r} is no number of devices and no percentage; write it as 5 or 2%")


def sizes(text: str) -> tuple[Amount, ...]:
    """The waves before the rest, which the text ends with; none of an empty text and of `rest` alone."""
    if not text.strip():
        return ()
    *first, last = [part.strip() for part in text.split(",")]
    if last.casefold() != REST:
        raise ValueError(f"waves end with {REST!r}, such as 50,500,rest: every device has to be in one")
    if len(first) >= MOST_WAVES:
        raise ValueError(f"at most {MOST_WAVES} waves are possible")
    read = tuple(amount(part) for part in first)
    if any(not each.number for each in read):
        raise ValueError("a wave has at least one device")
    return read


def seconds(text: str) -> int:
    """A time such as 90s, 10m or 2h, in seconds."""
    found = _WAIT.fullmatch(text.strip().casefold())
    if found is None:
        raise ValueError(f"{text.strip()[:40]!r} is no time; write it as 90s, 10m or 2h")
    read = int(found["number"]) * _SECONDS[found["unit"]]
    if not 0 < read <= LONGEST_WAIT_S:
        raise ValueError(f"{text.strip()}: a wait has a second at least and 7 days at most")
    return read

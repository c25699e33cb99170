"""How many devices a look reads in one go, and how: what it shows must be of use while it is fresh.

A look counts from its beginning. So a listing that takes most of its minute is not read for the next one: devices are
read by id, in parts that are read in half of that minute, by how long the last took.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from simtandem import progress
from simtandem.carriers.registry import lifecycle_for, pace_of
from simtandem.runs.run_folder import RunFolder
from simtandem.settings import Settings
from simtandem.text.formats import duration, of

FRESH = timedelta(seconds=60)
"""So long a look at a device is good enough to activate its SIM, or to change its endpoint."""
MOST_LOOKS = 10
"""So often a device is looked at, each time soon enough, without a call for it that could go."""
NO_TIME = "the call budget leaves no time to send it while a look at it is fresh"
_FRESH_S = FRESH.total_seconds()
_PART_S = _FRESH_S / 2
_LISTING_S = _FRESH_S * 2 / 3
"""A listing that takes longer shows too few devices in time to be cheaper than a call for each of them."""
_LISTED_AGAIN_AFTER = 10
"""A listing that was too slow is tried again after so many times as long as it took: it costs little of a long run."""
_FIRST_PART = 50
"""So many are read by id first where nobody knows yet how long that takes."""
_HOPELESS = 3
_IN_PARTS = "Listing the devices afresh takes too long to send on what it shows: they are read one by one, in parts."


@dataclass(frozen=True, slots=True)
class LookCost:
    """What looks cost at this carrier: a call for each device, or `pages` for the whole fleet where that is less.

    `portion`: so many devices can be read and changed while the look at them is fresh, however the budget spreads
    calls. `each` is what changing a device and seeing that it shows costs; `window` calls go in the first window,
    `fresh_calls` while a look is fresh. Reading the pages took `pages_s` seconds, where that is known.
    """

    pages: int | None
    portion: int
    each: int
    window: int
    fresh_calls: int
    pages_s: float = 0.0

    @classmethod
    def of(cls, folder: RunFolder, settings: Settings) -> "LookCost":
        """As the listing that the plan was made from lets expect."""
        listing = folder.listing()
        pages = listing.get("pages")
        calls, window_s = pace_of(settings)
        fresh_calls = calls * _FRESH_S / window_s
        each = 1 + (lifecycle_for(settings).looks_per_change if pages is None else 0)
        pages_s = listing.get("pages_s") or 0.0
        return cls(pages, max(1, int(fresh_calls / (1 + each))), each, calls, int(fresh_calls), pages_s)

    @property
    def slow(self) -> bool:
        """Whether reading the pages takes too long for a look that is to be fresh."""
        return self.pages_s > _LISTING_S

    def calls(self, devices: int) -> int:
        """The calls of one look at so many devices, however old it may be."""
        return devices if self.pages is None else min(devices, self.pages)

    def fresh(self, devices: int) -> int:
        """The calls of one look at so many devices that is to be fresh."""
        return devices if self.slow else self.calls(devices)

    def planned(self, devices: int, costly: int, calls: int, batch_size: int) -> int:
        """The calls of the looks of a run at `costly` of its devices, where all else takes so many calls.

        One look after its question, and one for each batch of those that the call budget does not let go within the
        first window. Where devices are read one by one, and again until they show, a look at those that are not sent
        while the first look is fresh; nothing for a question, as nobody knows yet whether there is one. Where listing
        is too slow, the looks themselves fill the first window.
        """
        if self.each > 1:
            return max(0, costly - max(0, self.fresh_calls - self.calls(devices)) // self.each)
        late = max(0, min(calls + (costly if self.slow else 0) - self.window, costly))
        batches, rest = divmod(late, batch_size)
        return self.fresh(costly) + batches * self.fresh(batch_size) + self.fresh(rest)


class LookPace:
    """How the looks of one run are made, by how long those before took. `steady` is a monotonic clock, in seconds."""

    def __init__(self, cost: LookCost, steady: Callable[[], float]) -> None:
        self._cost, self._steady = cost, steady
        self._by_id_until = float("-inf")
        if cost.slow:
            self._listing_took(cost.pages_s)
        self._each_s = 0.0
        self._alone_late = 0
        self._told = False
        self.wasted = False
        """Whether the last look came too late, and the next is made in another way, or at fewer devices."""

    @property
    def by_id(self) -> bool:
        """Whether a listing takes too long just now, by the last one: then devices are read by id."""
        return self._steady() < self._by_id_until

    def at_once(self, devices: int) -> int:
        """How many of so many devices to look at in one go, so that they are sent before the look is old."""
        if not self.by_id and self._cost.calls(devices) <= self._cost.portion:
            return devices
        within = int(_PART_S / self._each_s) if self._each_s else _FIRST_PART if self.by_id else devices
        return max(1, min(devices, self._cost.portion, within))

    @contextmanager
    def timed(self, devices: int, *, by_id: bool) -> Iterator[None]:
        """In this block so many devices are read, and what they show is made use of. The progress says so."""
        begun = self._steady()
        if by_id:
            self._tell(_IN_PARTS)
        with progress.current().waits(f"reading {of(devices, 'device')} afresh", devices * self._each_s or None):
            yield
        self._took(devices, self._steady() - begun, by_id=by_id)

    def _listing_took(self, seconds: float) -> None:
        self._by_id_until = self._steady() + _LISTED_AGAIN_AFTER * seconds

    def _took(self, devices: int, seconds: float, *, by_id: bool) -> None:
        listed = not by_id and self._cost.calls(devices) < devices
        if not listed:
            self._each_s = seconds / max(1, devices)
        if not by_id and seconds > _LISTING_S:
            self._listing_took(seconds)
        late = seconds > _FRESH_S
        self.wasted = late and (listed or devices > 1)
        self._alone_late = self._alone_late + 1 if late and devices == 1 else 0

    @property
    def hopeless(self) -> str:
        """Why nothing can be sent: reading one device alone took too long, a few times in a row; else empty."""
        if self._alone_late < _HOPELESS:
            return ""
        return (
            f"reading it alone takes {duration(self._each_s)}, and what it shows counts for {duration(_FRESH_S)}: the "
            "carrier, or this machine, is too slow"
        )

    def _tell(self, sentence: str) -> None:
        if not self._told:
            self._told = True
            progress.current().message(sentence)

"""Taking files from an inbox, each version of a file once, and putting them away when all they ask for has ended.

The order of the steps is what makes a kill between any two of them harmless:

1. The file lies still for a while, is read, and read again nowhere else: its bytes are what counts.
2. One transaction of the ledger records the file and all it schedules. This is the moment it is taken; the ledger's
   key on inbox, name, size, time of change and SHA-256 lets nobody take that version again before it is put away.
3. It is copied to `taken/<arrival>/`, then removed from the inbox if it is still the version that was read.
4. When all its schedules have ended: result files, then the file itself, to `processed/` or `refused/`; its copy in
   `taken/` is removed; the ledger records that it is put away.

Each run first goes on with what is recorded and not put away. Steps 3 and 4 write the same bytes to the same places
however often they are done, so it does not matter who does them, or whether two do.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from schemas.statuses import Target
from simtandem.inbox import moments
from simtandem.inbox.arriving import make_offer
from simtandem.inbox.results import files_beside, something_applied
from simtandem.inbox.store import Store, Version
from simtandem.intake.device_file import shown
from simtandem.job.fetching import bounds
from simtandem.ledger.schedule_records import Arrival, FileVersion
from simtandem.ledger.schedules import Schedules
from simtandem.settings import Settings

log = logging.getLogger(__name__)

TAKEN, PROCESSED, REFUSED = "taken", "processed", "refused"
_PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download")


def _nothing(_step: str) -> None:
    """Nobody wants to know of the steps."""


class Inbox:
    """One inbox and the ledger that remembers what was taken from it.

    All that take from one inbox must share a ledger. `reached` is told of every step that is done, for tests that stop
    there.
    """

    def __init__(
        self,
        store: Store,
        schedules: Schedules,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        self._store = store
        self._schedules = schedules
        self._settings = settings
        self._sleep = sleep
        self._reached = reached

    def take_new(self, to: Target | None = None) -> list[Arrival]:
        """Take what is new and lies still; returns what was taken, unusable files included.

        While another program is at it, nothing: that one takes them. Where there is no new file this returns at once,
        else after the time for which files have to lie still.
        """
        with self._schedules.alone("inbox") as alone:
            if not alone:
                return []
            self._store.prepare()
            self.go_on()
            settled = self._settled()
            now = self._schedules.ledger.clock()  # one moment for all: which of them was meant to be last, nobody knows
            taken = [self._take(name, version, now, to) for name, version in settled.items()]
        return [arrival for arrival in taken if arrival is not None]

    def go_on(self) -> None:
        """Bring everything that is taken to where it belongs by now."""
        arrivals = self._schedules.open_arrivals(self._store.place)
        copies = self._store.below(TAKEN)
        for arrival in arrivals:
            copy = _copy(arrival)
            if arrival.reason or not self._is_open(arrival):
                self._put_away(arrival)
            elif copies.get(copy) == arrival.file.size:
                self._clear(arrival)
            else:
                self._bring_in(arrival)
        known = {arrival.arrival_id for arrival in arrivals}
        for leftover in {PurePosixPath(path).parts[1] for path in copies} - known:
            self._store.remove(f"{TAKEN}/{leftover}")  # of one that was put away while somebody else was copying
        for arrival in self._schedules.open_arrivals(""):  # brought by a command: nothing to move
            if not self._is_open(arrival):
                self._schedules.end_arrival(arrival.arrival_id, "")

    def _settled(self) -> dict[str, Version]:
        """Files to take that did not change while we waited. Two looks need no clock that agrees with the store's."""
        before = _candidates(self._store.look())
        if not before:
            return {}
        self._sleep(self._settings.inbox_settle_s)
        after = _candidates(self._store.look())
        return {name: version for name, version in after.items() if before.get(name) == version}

    def _take(self, name: str, version: Version, now: datetime, to: Target | None) -> Arrival | None:
        """Take one file, or nothing where it changed, went away, or is taken already."""
        allowed = bounds(self._settings)
        if version.size > allowed.size:
            log.warning("%s stays in the inbox: %s", shown(name), allowed.too_large(version.size))
            return None
        data = self._store.read(name)
        if data is None or len(data) != version.size or self._store.version(name) != version:
            return None
        file = FileVersion(self._store.place, name, version.size, version.modified, sha256(data).hexdigest())
        if self._schedules.taken_now(file):
            return None
        when = moments.reader(self._settings.zone, now)
        offer = make_offer(
            data,
            file,
            now,
            when,
            otherwise=now,
            to=to,
            shelf_name=lambda ident: self._shelf(name, ident),
            allowed=allowed,
        )
        if not self._schedules.record(offer.arrival, offer.schedules, offer.rejected):
            return None
        self._reached("recorded")
        if offer.arrival.reason:
            self._put_away(offer.arrival, data)
        else:
            self._bring_in(offer.arrival, data)
        return offer.arrival

    def _shelf(self, name: str, arrival_id: str) -> str:
        """Its own name, or where that was there before, the name with the arrival's id in it."""
        free = all(self._store.version(f"{place}/{name}") is None for place in (PROCESSED, REFUSED))
        if free and self._schedules.name_is_new(self._store.place, name):
            return name
        path = PurePosixPath(name)
        return f"{path.stem}.{arrival_id}{path.suffix}"

    def _bring_in(self, arrival: Arrival, data: bytes | None = None) -> None:
        """Copy the file to `taken/`, what was wrong with it beside it, and clear its place in the inbox."""
        data = data or self._bytes(arrival)
        if data is None:
            log.warning("%s was changed or removed while it was taken; what it asked for counts.", arrival.file.name)
            return
        invalid = files_beside(self._schedules, arrival, self._settings.runs_folder).get("invalid.csv")
        if invalid is not None:
            stem = PurePosixPath(arrival.file.name).stem
            self._store.write(f"{TAKEN}/{arrival.arrival_id}/{stem}.invalid.csv", invalid)
        self._store.write(_copy(arrival), data)
        self._reached("copied")
        self._clear(arrival)

    def _put_away(self, arrival: Arrival, data: bytes | None = None) -> None:
        """Lay the file and its result files where they stay."""
        of_file = self._schedules.of_arrival(arrival.arrival_id)
        place = PROCESSED if something_applied(of_file) else REFUSED
        stem = PurePosixPath(arrival.shelf_name).stem
        for what, content in files_beside(self._schedules, arrival, self._settings.runs_folder).items():
            self._store.write(f"{place}/{stem}.{what}", content)
        self._reached("results laid")
        data = data or self._bytes(arrival)
        if data is not None:
            self._store.write(f"{place}/{arrival.shelf_name}", data)
        self._reached("file laid")
        self._store.remove(f"{TAKEN}/{arrival.arrival_id}")
        self._reached("copy removed")
        self._clear(arrival)
        self._schedules.end_arrival(arrival.arrival_id, place)
        self._reached("put away")

    def _bytes(self, arrival: Arrival) -> bytes | None:
        """The file's bytes, from where they are; None where they were put away already, or changed by somebody."""
        for path in (_copy(arrival), arrival.file.name):
            data = self._store.read(path)
            if data is not None and sha256(data).hexdigest() == arrival.file.sha256:
                return data
        return None

    def _clear(self, arrival: Arrival) -> None:
        """Remove the file from the inbox, unless a newer version lies there by now."""
        file = arrival.file
        if self._store.version(file.name) == Version(file.size, file.modified):
            self._store.remove(file.name)
            self._reached("cleared")

    def _is_open(self, arrival: Arrival) -> bool:
        return any(each.state.open for each in self._schedules.of_arrival(arrival.arrival_id))


def open_inbox(settings: Settings, schedules: Schedules, url: str | None = None) -> Inbox:
    """The inbox at `url`, or the one of the settings."""
    return Inbox(Store(url or settings.inbox_url, bounds(settings).size), schedules, settings)


def _copy(arrival: Arrival) -> str:
    return f"{TAKEN}/{arrival.arrival_id}/{arrival.file.name}"


def _candidates(found: dict[str, Version]) -> dict[str, Version]:
    """CSVs that nobody seems to be writing: no hidden or temporary names, none with a partial download beside it."""
    names = {name.casefold() for name in found}
    return {
        name: version
        for name, version in sorted(found.items())
        if Path(name).suffix.casefold() == ".csv"
        and not name.startswith((".", "~"))
        and version.size
        and _has_a_plain_name(name)
        and not any(f"{name.casefold()}{ending}" in names for ending in _PARTIAL)
    }


def _has_a_plain_name(name: str) -> bool:
    """Whether the record can keep the name; one whose bytes are no UTF-8 it can't."""
    try:
        name.encode()
    except UnicodeEncodeError:
        log.warning("%s stays in the inbox: its name is not UTF-8. Rename it.", shown(name))
        return False
    return True

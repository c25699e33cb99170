"""Taking files from an inbox, each version of a file once, and putting them away when all they ask for has ended.

The order of the steps is what makes a kill between any two of them harmless:

1. The file lies still for a while and is open to no writer; it is read, and read again nowhere else: its bytes count.
2. One transaction of the ledger records the file and all it schedules. This is the moment it is taken; the ledger's
   key on inbox, name, size, time of change and SHA-256 lets nobody take that version again before it is put away.
3. It is copied to `taken/<arrival>/`, then removed from the inbox if it is still what was read, byte by byte.
4. When all its schedules have ended: result files, then the file itself, to `processed/` or `refused/`, never onto
   anything else; its copy in `taken/` is removed; the ledger records that it is put away.

Whoever moves files is alone with the ledger's inboxes, and with the folder where that is one of this machine. So what
is recorded and not moved was left by somebody who is gone, and each run first goes on with that. Steps 3 and 4 write
the same bytes to the same places however often they are done. What this ledger knows nothing of is never removed.

What is in the way of one file, such as its permissions, is told of and keeps nothing from the others.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from schemas.statuses import Target
from simtandem.errors import InputError, SimtandemError
from simtandem.inbox import effective_at
from simtandem.inbox.file_request import read_request
from simtandem.inbox.file_results import files_beside, something_applied
from simtandem.inbox.storage import Store, Version
from simtandem.intake.device_file import shown
from simtandem.ledger.schedule_records import Arrival, FileVersion
from simtandem.ledger.schedules import Schedules
from simtandem.runs.input_file import bounds
from simtandem.settings import Settings

log = logging.getLogger(__name__)

TAKEN, PROCESSED, REFUSED = "taken", "processed", "refused"
_ATTEMPTS, _PAUSE_S = 30, 1.0
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
        self.troubles: list[str] = []
        """What was in the way of single files, in words."""
        self.not_taken: dict[str, str] = {}
        """Names that end in .csv and stay in the inbox, and why: no regular files, or too large."""

    def take_new(self, to: Target | None = None) -> list[Arrival]:
        """Take what is new and lies still; returns what was taken, unusable files included.

        While another program is at it, nothing: that one takes them. Where there is no new file this returns at once,
        else after the time for which files have to lie still.
        """
        self._store.prepare()
        with self._alone() as alone:
            if not alone:
                return []
            self._go_on()
            found = self._store.look()
            before = _candidates(found.files)
            self.not_taken.update({shown(name): found.others[name] for name in sorted(found.others) if _is_csv(name)})
        if not before:
            return []
        self._sleep(self._settings.inbox_settle_s)
        with self._alone() as alone:
            return self._take_settled(before, to) if alone else []

    def go_on(self) -> bool:
        """Bring everything that is taken to where it belongs by now.

        False where another program was at it all the time, which does the same at its next look.
        """
        self._store.prepare()
        for attempt in range(_ATTEMPTS):
            with self._alone() as alone:
                if alone:
                    self._go_on()
                    return True
            if attempt < _ATTEMPTS - 1:
                self._sleep(_PAUSE_S)
        return False

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        with self._schedules.alone("inbox") as ours, ExitStack() as folder:
            yield ours and folder.enter_context(self._store.alone())

    def _take_settled(self, before: dict[str, Version], to: Target | None) -> list[Arrival]:
        settled = self._settled(before)
        now = self._schedules.ledger.clock()  # one moment for all: which of them was meant to be last, nobody knows
        taken: list[Arrival] = []
        for name, version in settled.items():
            with self._told(name):
                taken += self._take(name, version, now, to)
        return taken

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """What is in the way of this file is told of, and the others go on."""
        try:
            yield
        except SimtandemError as error:
            log.warning("%s: %s", name, error)
            self.troubles.append(f"{name}: {error}")

    def _go_on(self) -> None:
        self._store.restore()
        arrivals = self._schedules.open_arrivals(self._store.place)
        copies = self._store.below(TAKEN)
        for arrival in arrivals:
            with self._told(arrival.file.name):
                if arrival.reason or not self._is_open(arrival):
                    self._put_away(arrival)
                elif copies.get(_copy(arrival)) != arrival.file.size or self._lies_there(arrival):
                    self._bring_in(arrival)
        self._remove_leftovers(copies, {arrival.arrival_id for arrival in arrivals})
        for arrival in self._schedules.open_arrivals(""):  # brought by a command: nothing to move
            if not self._is_open(arrival):
                self._schedules.end_arrival(arrival.arrival_id, "")

    def _remove_leftovers(self, copies: Iterable[str], open_ones: set[str]) -> None:
        """Copies of what was put away. What is not in this ledger may be all that is left of a file: it stays."""
        others = {PurePosixPath(path).parts[1] for path in copies} - open_ones
        ended = self._schedules.put_away(sorted(others)) if others else set()
        for arrival_id in ended:
            self._store.remove(f"{TAKEN}/{arrival_id}")
        if strangers := sorted(others - ended):
            log.warning(
                "%s/%s is not in this ledger (and %d more): does another home use this inbox? All of them must "
                "share one ledger.", TAKEN, strangers[0], len(strangers) - 1,
            )  # fmt: skip

    def _settled(self, before: dict[str, Version]) -> dict[str, Version]:
        """Files that did not change while we waited. Two looks need no clock that agrees with the store's."""
        after = _candidates(self._store.look().files)
        same = {name: version for name, version in after.items() if before.get(name) == version}
        return {name: version for name, version in same.items() if not self._store.being_written(name)}

    def _take(self, given: str, version: Version, now: datetime, to: Target | None) -> list[Arrival]:
        """Take one file, or nothing where it changed, went away, or is taken already."""
        allowed = bounds(self._settings)
        if version.size > allowed.size:
            why = str(allowed.too_large(version.size))
            log.warning("%s stays in the inbox: %s", shown(given), why)
            self.not_taken[shown(given)] = why.splitlines()[0].rstrip(".")
            return []
        name = self._store.give_usable_name(given)
        data = None if name is None else self._store.read(name)
        if name is None or data is None or len(data) != version.size or self._store.version(name) != version:
            return []
        file = FileVersion(self._store.place, name, version.size, version.modified, sha256(data).hexdigest())
        if self._schedules.taken_now(file):
            return []
        when = effective_at.reader(self._settings.zone, now)
        request = read_request(
            data,
            file,
            now,
            when,
            otherwise=now,
            to=to,
            shelf_name=lambda ident: self._shelf(name, ident),
            allowed=allowed,
            quoting=False,
        )
        if not self._schedules.record(request.arrival, request.schedules, request.rejected):
            return []
        self._reached("recorded")
        with self._told(name):  # it is taken; the next look moves it
            if request.arrival.reason:
                self._put_away(request.arrival, data)
            else:
                self._bring_in(request.arrival, data)
        return [request.arrival]

    def _shelf(self, name: str, arrival_id: str) -> str:
        """Its own name, or where that was there before, the name with the arrival's id in it."""
        free = all(self._store.version(f"{place}/{name}") is None for place in (PROCESSED, REFUSED))
        if free and self._schedules.name_is_new(self._store.place, name):
            return name
        return _with_id(name, arrival_id)

    def _bring_in(self, arrival: Arrival, data: bytes | None = None) -> None:
        """Copy the file to `taken/`, what was wrong with it beside it, and clear its place in the inbox."""
        data = data or self._bytes(arrival)
        if data is None:
            log.warning("%s was changed or removed while it was taken; its schedules are kept.", arrival.file.name)
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
        data = data or self._bytes(arrival) or self._changed_copy(arrival)
        results = files_beside(self._schedules, arrival, self._settings.runs_folder)
        name = self._free_name(arrival, place, results, data)
        for what, content in results.items():
            self._store.write(_beside(place, name, what), content)
        self._reached("results laid")
        if data is not None:
            self._store.write(f"{place}/{name}", data)
        self._reached("file laid")
        self._store.remove(f"{TAKEN}/{arrival.arrival_id}")
        self._reached("copy removed")
        if self._clear(arrival):
            self._schedules.end_arrival(arrival.arrival_id, place)
            self._reached("put away")

    def _free_name(self, arrival: Arrival, place: str, results: Mapping[str, bytes], data: bytes | None) -> str:
        """Its name on the shelf, or where something else lies under one of the names it needs, one with its id."""
        name = arrival.shelf_name
        needed = {_beside(place, name, what): content for what, content in results.items()}
        if data is not None:
            needed[f"{place}/{name}"] = data
        taken = any(self._store.read(path) not in (None, content) for path, content in needed.items())
        return _with_id(name, arrival.arrival_id) if taken and arrival.arrival_id not in name else name

    def _bytes(self, arrival: Arrival) -> bytes | None:
        """The file's bytes, from where they are; None where they were put away already, or changed by somebody."""
        for path in (_copy(arrival), arrival.file.name):
            data = self._store.read(path)
            if data is not None and sha256(data).hexdigest() == arrival.file.sha256:
                return data
        return None

    def _changed_copy(self, arrival: Arrival) -> bytes | None:
        """What somebody has made of the copy in `taken/`: it is kept so. Raises `InputError` where it can't be."""
        version, data = self._store.version(_copy(arrival)), self._store.read(_copy(arrival))
        if version is not None and (data is None or len(data) != version.size):
            raise InputError(
                f"{_copy(arrival)} was changed and can't be read whole. Put it elsewhere, or make it smaller."
            )
        return data

    def _clear(self, arrival: Arrival) -> bool:
        """Remove the file from the inbox, unless something else lies there by now. False where it can't be yet."""
        file = arrival.file
        if not self._lies_there(arrival):
            return True
        if self._store.being_written(file.name):
            return False  # what is still to come would be lost with it
        if self._store.remove_version(file.name, file.sha256):
            self._reached("cleared")
        return True

    def _lies_there(self, arrival: Arrival) -> bool:
        """Whether the inbox has a file that looks like the one that was taken."""
        return self._store.version(arrival.file.name) == Version(arrival.file.size, arrival.file.modified)

    def _is_open(self, arrival: Arrival) -> bool:
        return any(each.state.open for each in self._schedules.of_arrival(arrival.arrival_id))


def open_inbox(settings: Settings, schedules: Schedules) -> Inbox:
    """The inbox of the settings."""
    return Inbox(Store(settings.inbox_url, bounds(settings).size), schedules, settings)


def _copy(arrival: Arrival) -> str:
    return f"{TAKEN}/{arrival.arrival_id}/{arrival.file.name}"


def _with_id(name: str, arrival_id: str) -> str:
    path = PurePosixPath(name)
    return f"{path.stem}.{arrival_id}{path.suffix}"


def _beside(place: str, name: str, what: str) -> str:
    return f"{place}/{PurePosixPath(name).stem}.{what}"


def _is_csv(name: str) -> bool:
    """Whether a file of this name is meant to be taken: hidden and temporary names are not."""
    return Path(name).suffix.casefold() == ".csv" and not name.startswith((".", "~"))


def _candidates(found: dict[str, Version]) -> dict[str, Version]:
    """CSVs that no program seems to be writing: not empty, and without a partial download beside them."""
    names = {name.casefold() for name in found}
    return {
        name: version
        for name, version in sorted(found.items())
        if _is_csv(name) and version.size and not any(f"{name.casefold()}{ending}" in names for ending in _PARTIAL)
    }

"""Takes files from an inbox, each version of a file once, and archives them when all their schedules have ended.

A process may be killed between any two steps, because of their order:

1. The file is unchanged for a while and no writer has it open; it is read once, and these bytes count.
2. One transaction of the ledger records the file and its schedules. From then on it is taken: the ledger's key on
   inbox, name, size, time of change and SHA-256 prevents that this version is taken again before it is archived.
3. It is copied to `taken/<arrival>/`, then removed from the inbox if it is still the same, byte by byte.
4. When all its schedules have ended, the result files and then the file go to `processed/` or `refused/`, and overwrite
   nothing; the copy in `taken/` is removed; the ledger records the end.

One process at a time moves files: it holds a lock of the ledger and, on this machine, of the folder. So a file that is
recorded and not moved was left by a process that ended, and each run first completes such files. Steps 3 and 4 write
the same bytes to the same places when they are repeated. A file that this ledger does not know is never removed.

A problem with one file, such as its permissions, is reported and does not stop the others.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import PurePosixPath

from schemas.accounts import FOLDERS_OF_INBOX, URGENT, folder_in
from schemas.statuses import Target
from simtandem.carriers.registry import lifecycle_for
from simtandem.errors import InputError, SimtandemError
from simtandem.inbox import effective_at
from simtandem.inbox.file_request import read_request
from simtandem.inbox.file_results import files_beside, something_applied
from simtandem.inbox.storage import Store, Version
from simtandem.intake import Reading
from simtandem.intake.device_file import shown
from simtandem.ledger.schedule_records import Arrival, FileVersion
from simtandem.ledger.schedules import Schedules
from simtandem.runs.input_file import bounds
from simtandem.settings import Settings

log = logging.getLogger(__name__)

TAKEN, PROCESSED, REFUSED, _ = FOLDERS_OF_INBOX
LANES = {True: (True,), False: (True, False)}
"""Of which schedules a look is, one after the other, urgent ones or others: a look for urgent files, any other look."""
_ATTEMPTS, _PAUSE_S = 30, 1.0
_ENDINGS = (".csv", ".csv.gz", ".xlsx", ".xlsm")
_PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download")


def _nothing(_step: str) -> None:
    """No hook for the steps."""


class Inbox:
    """One inbox and the ledger that records what was taken from it.

    All processes that use one inbox must share a ledger. `reached` is called after every step, for tests that stop
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
        """Problems with single files, as sentences."""
        self.not_taken: dict[str, str] = {}
        """Names of lists that stay in the inbox, and why: no regular files, or too large."""

    def take_new(self, to: Target | None = None) -> list[Arrival]:
        """Take new files that no longer change; returns what was taken, unusable files included.

        Nothing while another process takes files. Without a new file this returns at once, else after
        SIMTANDEM_INBOX_SETTLE_S.
        """
        self._store.prepare()
        with self._alone() as alone:
            if not alone:
                return []
            self._go_on()
            found = self._store.look()
            before = _candidates(found.files)
            self.not_taken.update({shown(name): found.others[name] for name in sorted(found.others) if _is_list(name)})
        if not before:
            return []
        self._sleep(self._settings.inbox_settle_s)
        with self._alone() as alone:
            return self._take_settled(before, to) if alone else []

    def is_quiet(self) -> bool:
        """Whether a look would find nothing to take, to report, to carry out or to move."""
        self._store.prepare()
        found = self._store.look()
        if _candidates(found.files) or any(map(_is_list, found.others)):
            return False
        if self._schedules.due(self._schedules.ledger.clock()):
            return False
        arrivals = [*self._schedules.open_arrivals(self._store.place), *self._schedules.open_arrivals("")]
        return all(self._is_open(each) and not each.reason for each in arrivals)

    def go_on(self) -> bool:
        """Move every taken file to where it belongs by now.

        False if another process held the lock all the time; it does the same.
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
            with self._reported(name):
                taken += self._take(name, version, now, to)
        return taken

    @contextmanager
    def _reported(self, name: str) -> Iterator[None]:
        """A problem with this file is reported, and the others continue."""
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
            with self._reported(arrival.file.name):
                if arrival.reason or not self._is_open(arrival):
                    self._put_away(arrival)
                elif copies.get(_copy(arrival)) != arrival.file.size or self._is_in_inbox(arrival):
                    self._bring_in(arrival)
        self._remove_leftovers(copies, {arrival.arrival_id for arrival in arrivals})
        for arrival in self._schedules.open_arrivals(""):  # brought by a command: nothing to move
            if not self._is_open(arrival):
                self._schedules.end_arrival(arrival.arrival_id, "")

    def _remove_leftovers(self, copies: Iterable[str], open_ones: set[str]) -> None:
        """Remove copies of archived files. A copy that is not in this ledger may be the only one: it stays."""
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
        """Files that did not change meanwhile. Comparing two listings needs no clock in step with the store's."""
        after = _candidates(self._store.look().files)
        same = {name: version for name, version in after.items() if before.get(name) == version}
        return {name: version for name, version in same.items() if not self._store.being_written(name)}

    def _take(self, given: str, version: Version, now: datetime, to: Target | None) -> list[Arrival]:
        """Take one file; nothing if it changed, was removed, or is taken already."""
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
            lifecycle=lifecycle_for(self._settings),
            otherwise=now,
            to=to,
            shelf_name=lambda ident: self._shelf(name, ident),
            reading=Reading(allowed, quoting=False),
        )
        if not self._schedules.record(request.arrival, request.schedules, request.rejected):
            return []
        self._reached("recorded")
        with self._reported(name):  # it is taken; the next look moves it
            if request.arrival.reason:
                self._put_away(request.arrival, data)
            else:
                self._bring_in(request.arrival, data)
        return [request.arrival]

    def _shelf(self, name: str, arrival_id: str) -> str:
        """The name to archive it under: its own, or with the arrival's id if that name was used before."""
        free = all(self._store.version(f"{place}/{name}") is None for place in (PROCESSED, REFUSED))
        if free and self._schedules.name_is_new(self._store.place, name):
            return name
        return _with_id(name, arrival_id)

    def _bring_in(self, arrival: Arrival, data: bytes | None = None) -> None:
        """Copy the file to `taken/` with its invalid rows, and remove it from the inbox."""
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
        """Archive the file with its result files."""
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
        """Its name in the archive; with its id if another file has one of the names it needs."""
        name = arrival.shelf_name
        needed = {_beside(place, name, what): content for what, content in results.items()}
        if data is not None:
            needed[f"{place}/{name}"] = data
        taken = any(self._store.read(path) not in (None, content) for path, content in needed.items())
        return _with_id(name, arrival.arrival_id) if taken and arrival.arrival_id not in name else name

    def _bytes(self, arrival: Arrival) -> bytes | None:
        """The file's bytes, from wherever they are; None if they are archived already or were changed."""
        for path in (_copy(arrival), arrival.file.name):
            data = self._store.read(path)
            if data is not None and sha256(data).hexdigest() == arrival.file.sha256:
                return data
        return None

    def _changed_copy(self, arrival: Arrival) -> bytes | None:
        """A changed copy in `taken/`: it is archived as it is. Raises `InputError` if it can't be read whole."""
        version, data = self._store.version(_copy(arrival)), self._store.read(_copy(arrival))
        if version is not None and (data is None or len(data) != version.size):
            raise InputError(
                f"{_copy(arrival)} was changed and can't be read whole. Put it elsewhere, or make it smaller."
            )
        return data

    def _clear(self, arrival: Arrival) -> bool:
        """Remove the file from the inbox unless it is another one by now. False if that is not possible yet."""
        file = arrival.file
        if not self._is_in_inbox(arrival):
            return True
        if self._store.being_written(file.name):
            return False  # what is still to come would be lost with it
        if self._store.remove_version(file.name, file.sha256):
            self._reached("cleared")
        return True

    def _is_in_inbox(self, arrival: Arrival) -> bool:
        """Whether the inbox has a file of the size and time of the one that was taken."""
        return self._store.version(arrival.file.name) == Version(arrival.file.size, arrival.file.modified)

    def _is_open(self, arrival: Arrival) -> bool:
        return any(each.state.open for each in self._schedules.of_arrival(arrival.arrival_id))


def open_inbox(settings: Settings, schedules: Schedules) -> Inbox:
    """The inbox of the settings; for urgent schedules its folder of urgent files, an inbox of its own."""
    url = settings.account_inbox
    return Inbox(Store(folder_in(url, URGENT) if schedules.urgent else url, bounds(settings).size), schedules, settings)


def _copy(arrival: Arrival) -> str:
    return f"{TAKEN}/{arrival.arrival_id}/{arrival.file.name}"


def _with_id(name: str, arrival_id: str) -> str:
    path = PurePosixPath(name)
    return f"{path.stem}.{arrival_id}{path.suffix}"


def _beside(place: str, name: str, what: str) -> str:
    return f"{place}/{PurePosixPath(name).stem}.{what}"


def _is_list(name: str) -> bool:
    """Whether a file of this name is meant to be taken: hidden and temporary names are not."""
    return name.casefold().endswith(_ENDINGS) and not name.startswith((".", "~"))


def _candidates(found: dict[str, Version]) -> dict[str, Version]:
    """Lists that no program seems to be writing: not empty, and without a partial download beside them."""
    names = {name.casefold() for name in found}
    return {
        name: version
        for name, version in sorted(found.items())
        if _is_list(name) and version.size and not any(f"{name.casefold()}{ending}" in names for ending in _PARTIAL)
    }


def without_account(settings: Settings) -> dict[str, str]:
    """Lists in the inbox itself, where only accounts with a folder of their own in it are served; and why they stay."""
    found = Store(settings.inbox_url, bounds(settings).size).look()
    where = "it is for no account: put it into the folder of one, in the inbox"
    return {shown(name): where for name in sorted(found.files) if _is_list(name)}

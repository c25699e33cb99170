"""The ledger's part about schedules: files that arrived, what they schedule, and what became of it."""

import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, func, select

from schemas.accounts import DEFAULT, AccountKey
from simtandem.errors import InputError
from simtandem.host.user_name import user_name
from simtandem.ledger import inserts, schedule_queries
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import ARRIVALS, Kind
from simtandem.ledger.queries import read_frame
from simtandem.ledger.schedule_records import (
    SCHEDULE_ROWS,
    Arrival,
    FileVersion,
    NewSchedule,
    Schedule,
    ScheduleState,
    as_json,
)
from simtandem.ledger.schedule_tables import (
    arrival_ends,
    arrival_rejections,
    arrivals,
    schedule_rows,
    schedule_skips,
    schedules,
)
from simtandem.ledger.store import Ledger
from simtandem.ledger.work_lock import work_lock

Skip = tuple[str, int, str]
"""A row left out permanently: schedule id, row, reason."""


@dataclass(slots=True)
class _Adding:
    connection: Connection
    chains: Mapping[str, Chain]
    done: bool = True

    def add(self, kind: Kind, rows: Sequence[dict[str, Any]], owners: Mapping[str, str]) -> None:
        """Add facts of schedules, each to the chain of its arrival."""
        of_arrival: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            of_arrival[owners[row["schedule_id"]]].append(row)
        for arrival_id, some in of_arrival.items():
            schedule_queries.add_once(self.chains[arrival_id], kind, some)


class Schedules:
    """Files that arrived and what they schedule. Every method is one transaction and raises `LedgerError`.

    Facts are added, never changed. Where two programs want to add what can be there only once, the second gets to know
    by the answer, and nothing of its own is recorded.
    """

    def __init__(self, ledger: Ledger, account: str = "", *, urgent: bool | None = None) -> None:
        """Those of one account; without a name, those of all. What is recorded without a name is for `default`.

        `urgent`: only those from the folder of urgent files, or only the others.
        """
        self.ledger = ledger
        self.account = account
        self.urgent = urgent

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Whether nobody else does `work` on this ledger; nobody begins it before the block ends, or the process."""
        with work_lock(self.ledger.database, work) as free:
            yield free

    def record(self, arrival: Arrival, new: Sequence[NewSchedule], rejected: pl.DataFrame) -> bool:
        """Record that a file was taken, with all it schedules. False, and nothing recorded, where it was before.

        A version of a file can be taken again once its earlier arrival has ended: then it was put there anew.
        """
        file = arrival.file
        values = {name: getattr(file, name) for name in schedule_queries.VERSION} | {
            "arrival_id": arrival.arrival_id,
            "taken_at": arrival.taken_at,
            "shelf_name": arrival.shelf_name,
            "rows": arrival.rows,
            "rejected": arrival.rejected,
            "reason": arrival.reason,
            "os_user": user_name(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        if self.account not in ("", DEFAULT):
            values["account"] = self.account
        with self._adding([arrival.arrival_id]) as adding:
            chain = adding.chains[arrival.arrival_id]
            earlier, open_ones = schedule_queries.rounds(chain.connection, file)
            if open_ones:
                raise schedule_queries.SomebodyWasFaster
            schedule_queries.add_once(chain, Kind.ARRIVAL, [{**values, "round": earlier}])
            inserts.add_frame(chain, Kind.ARRIVAL_REJECTION, rejected)
            for each in new:
                self._add_schedule(chain, each)
        return adding.done

    def _add_schedule(self, chain: Chain, new: NewSchedule) -> None:
        row = {
            "schedule_id": new.schedule_id,
            "arrival_id": chain.run_id,
            "effective_at": new.effective_at,
            "rows": new.rows.height,
            "wishes": as_json(new.wishes),
        }
        if new.where:
            row["selection"] = new.where
        schedule_queries.add_once(chain, Kind.SCHEDULE, [row])
        rows, of = new.rows.select(*SCHEDULE_ROWS), ("schedule_id", new.schedule_id)
        inserts.add_frame(chain, Kind.SCHEDULE_ROW, rows, of)
        first = self._event(new.schedule_id, 1, ScheduleState.SCHEDULED)
        schedule_queries.add_once(chain, Kind.SCHEDULE_EVENT, [first])

    def taken_now(self, file: FileVersion) -> bool:
        """Whether this version of the file was taken and is not put away yet."""
        with self.ledger.database.read() as connection:
            return bool(schedule_queries.rounds(connection, file)[1])

    def name_is_new(self, inbox: str, name: str) -> bool:
        """Whether no file of this name was ever taken from this inbox."""
        query = select(func.count()).where(arrivals.c.inbox == inbox, arrivals.c.name == name)
        with self.ledger.database.read() as connection:
            return not connection.scalar(query)

    def open_arrivals(self, inbox: str) -> list[Arrival]:
        """Files that were taken from this inbox and not put away yet, oldest first."""
        query = (
            select(arrivals)
            .select_from(arrivals.outerjoin(arrival_ends))
            .where(
                arrivals.c.inbox == inbox,
                arrival_ends.c.arrival_id.is_(None),
                schedule_queries.for_account(self.account),
            )
            .order_by(arrivals.c.taken_at, arrivals.c.arrival_id)
        )
        with self.ledger.database.read() as connection:
            return [schedule_queries.arrival(found) for found in connection.execute(query)]

    def put_away(self, arrival_ids: Sequence[str]) -> set[str]:
        """Which of these arrivals have ended."""
        query = select(arrival_ends.c.arrival_id).where(arrival_ends.c.arrival_id.in_(arrival_ids))
        with self.ledger.database.read() as connection:
            return set(connection.scalars(query))

    def end_arrival(self, arrival_id: str, place: str) -> bool:
        """Record where a file was put away. False where that is recorded already."""
        row = {"arrival_id": arrival_id, "at": self.ledger.clock(), "place": place}
        with self._adding([arrival_id]) as adding:
            schedule_queries.add_once(adding.chains[arrival_id], Kind.ARRIVAL_END, [row])
        return adding.done

    def rejected(self, arrival_id: str) -> pl.DataFrame:
        """The rows of a file that could not be used (`schemas.tables.Rejected`)."""
        columns = ("row", "column", "value", "reason")
        query = (
            select(*(arrival_rejections.c[name] for name in columns))
            .where(arrival_rejections.c.arrival_id == arrival_id)
            .order_by(arrival_rejections.c.row)
        )
        schema = pl.Schema({"row": pl.Int64(), "column": pl.String(), "value": pl.String(), "reason": pl.String()})
        with self.ledger.database.read() as connection:
            return read_frame(connection, query, schema)

    def of_arrival(self, arrival_id: str) -> list[Schedule]:
        """What a file schedules, earliest first."""
        return self._read(schedule_queries.newest().where(schedules.c.arrival_id == arrival_id))

    def due(self, moment: datetime) -> list[Schedule]:
        """What is open and effective by then: the earliest first, of one moment the earliest arrival first."""
        return [
            each
            for each in self._read(schedule_queries.newest().where(schedules.c.effective_at <= moment))
            if each.state.open
        ]

    def open_at(self, moments: Sequence[datetime]) -> list[Schedule]:
        """What is open and becomes effective at exactly one of these moments."""
        return [
            each
            for each in self._read(schedule_queries.newest().where(schedules.c.effective_at.in_(moments)))
            if each.state.open
        ]

    def all(self, *, open_only: bool) -> list[Schedule]:
        """Every schedule, the earliest first."""
        return [each for each in self._read(schedule_queries.newest()) if each.state.open or not open_only]

    def find(self, prefix: str) -> Schedule:
        """The schedule with this id, or the only one whose id begins so. Raises `InputError`."""
        begins_so = func.substr(schedules.c.schedule_id, 1, len(prefix)) == prefix
        found = self._read(schedule_queries.newest().where(begins_so)) if prefix else []
        exact = [each for each in found if each.schedule_id == prefix] or found
        if len(exact) == 1:
            return exact[0]
        if not exact:
            raise InputError(f"There is no schedule {prefix!r}. `simtandem schedule list --all` lists them.")
        raise InputError(f"{len(exact)} schedules begin with {prefix!r}. Write more of the id.")

    def rows(self, schedule_id: str) -> pl.DataFrame:
        """The rows of a schedule, those left out as well; columns as in `SCHEDULE_ROWS`."""
        query = (
            select(*(schedule_rows.c[name] for name in SCHEDULE_ROWS))
            .where(schedule_rows.c.schedule_id == schedule_id)
            .order_by(schedule_rows.c.row)
        )
        with self.ledger.database.read() as connection:
            return read_frame(connection, query, SCHEDULE_ROWS)

    def skips(self, schedule_id: str) -> pl.DataFrame:
        """`row` and `reason` of the rows left out."""
        query = (
            select(schedule_skips.c.row, schedule_skips.c.reason)
            .where(schedule_skips.c.schedule_id == schedule_id)
            .order_by(schedule_skips.c.row)
        )
        with self.ledger.database.read() as connection:
            return read_frame(connection, query, pl.Schema({"row": pl.Int64(), "reason": pl.String()}))

    def asked_by_others(self, account: AccountKey, since: datetime) -> pl.DataFrame:
        """What runs that no schedule began asked of which devices: see `schedule_queries.asked_since`."""
        with self.ledger.database.read() as connection:
            return schedule_queries.asked_since(connection, account, since, urgent=self.urgent)

    def skip(self, skips: Sequence[Skip], emptied: Mapping[str, str], among: Sequence[Schedule]) -> bool:
        """Leave rows out permanently, and end the schedules that have no other rows, with a detail for each.

        `among` are all that were chosen from. False, and nothing recorded, where one of them has moved meanwhile: it
        may have been what the others were left out for.
        """
        rows = [{"schedule_id": ident, "row": row, "reason": reason} for ident, row, reason in skips]
        ends = [
            self._event(each.schedule_id, each.events + 1, ScheduleState.LEFT_OUT, each.run_id, emptied[ident])
            for each in among
            if (ident := each.schedule_id) in emptied
        ]
        with self.ledger.database.read() as connection:
            owners = schedule_queries.arrivals_of(connection, {str(row["schedule_id"]) for row in [*rows, *ends]})
        with self._adding(owners.values()) as adding:
            if rows and schedule_queries.moved_on(adding.connection, among):
                raise schedule_queries.SomebodyWasFaster
            adding.add(Kind.SCHEDULE_SKIP, rows, owners)
            adding.add(Kind.SCHEDULE_EVENT, ends, owners)
        return adding.done

    def move(
        self, moved: Sequence[Schedule], state: ScheduleState, run_id: str | None = None, detail: str = ""
    ) -> bool:
        """Record that these schedules reached a state. False, and nothing recorded, where one has moved meanwhile."""
        events = [self._event(each.schedule_id, each.events + 1, state, run_id, detail) for each in moved]
        owners = {each.schedule_id: each.arrival_id for each in moved}
        with self._adding(owners.values()) as adding:
            adding.add(Kind.SCHEDULE_EVENT, events, owners)
        return adding.done

    def _event(
        self, schedule_id: str, number: int, state: ScheduleState, run_id: str | None = None, detail: str = ""
    ) -> dict[str, object]:
        return {
            "schedule_id": schedule_id,
            "number": number,
            "at": self.ledger.clock(),
            "state": state.value,
            "run_id": run_id,
            "detail": detail,
        }

    @contextmanager
    def _adding(self, arrival_ids: Iterable[str]) -> Iterator[_Adding]:
        """A transaction that adds to the chains of these arrivals, and not `done` where someone was faster."""
        adding: _Adding | None = None
        try:
            with self.ledger.database.write() as connection, ExitStack() as chains:
                order = sorted(set(arrival_ids))  # everybody waits in the same order, so nobody waits for ever
                of = {each: chains.enter_context(Chain(connection, each, ARRIVALS)) for each in order}
                adding = _Adding(connection, of)
                yield adding
        except schedule_queries.SomebodyWasFaster:
            if adding is not None:
                adding.done = False
            return
        for chain in of.values():
            self.ledger.keep(chain.entry)

    def _read(self, query: Select[Any]) -> list[Schedule]:
        own = query.where(schedule_queries.for_account(self.account), schedule_queries.in_lane(self.urgent))
        with self.ledger.database.read() as connection:
            return [schedule_queries.schedule(found) for found in connection.execute(own)]

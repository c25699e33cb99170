"""What counts as a fact of a run, or of a file that arrived, table by table.

Only what is here is chained, verified, archived and pruned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Table

from simtandem.ledger.action_tables import action_outcomes, action_rows, action_verdicts
from simtandem.ledger.file_tables import run_files
from simtandem.ledger.schedule_tables import (
    arrival_ends,
    arrival_links,
    arrival_rejections,
    arrivals,
    schedule_events,
    schedule_rows,
    schedule_skips,
    schedules,
)
from simtandem.ledger.tables import (
    answers,
    baselines,
    calls,
    explained,
    links,
    outcomes,
    own_cells,
    plan_rows,
    prunings,
    rejections,
    run_states,
    runs,
    verdicts,
)


class Kind(StrEnum):
    """A kind of fact. The words are part of every hash: never change one."""

    RUN = "run"
    STATE = "state"
    REJECTION = "rejection"
    PLAN = "plan"
    CALL = "call"
    ANSWER = "answer"
    OUTCOME = "outcome"
    VERDICT = "verdict"
    ACTION_PLAN = "action_plan"
    ACTION_OUTCOME = "action_outcome"
    ACTION_VERDICT = "action_verdict"
    OWN_CELLS = "own_cells"
    FILE = "file"
    EXPLAINED = "explained"
    BASELINE = "baseline"
    PRUNING = "pruning"

    ARRIVAL = "arrival"
    ARRIVAL_REJECTION = "arrival_rejection"
    ARRIVAL_END = "arrival_end"
    SCHEDULE = "schedule"
    SCHEDULE_ROW = "schedule_row"
    SCHEDULE_SKIP = "schedule_skip"
    SCHEDULE_EVENT = "schedule_event"


REMEMBERED = (Kind.RUN, Kind.STATE, Kind.EXPLAINED, Kind.PRUNING)
"""What gets an entry in the ledger's heads: how a run begins, continues and ends, and what is recorded later."""

BEFORE = "before"
"""In place of a kind: a link with no facts, at the head of the chain of a run that began before chains existed."""


@dataclass(frozen=True, slots=True)
class FactTable:
    """Where facts of a kind are.

    `key` is the column that identifies one in its run, together with `also` where that is named. `via` is the
    table that says whose they are, where their own doesn't. `shown` are columns that are beside the key in a
    fact's reference, so that a fact that is gone can still be named. `one` and `many` are the words for people. `kept`:
    pruning leaves them.
    """

    kind: Kind
    table: Table
    key: str
    one: str
    many: str
    shown: tuple[str, ...] = ()
    kept: bool = False
    also: str = ""
    via: Table | None = None

    def ref(self, row: dict[str, object]) -> str | int:
        """What a fact is called in the chain: its key, with the shown columns behind it where there are any."""
        key = row.get(self.key)
        if self.also:
            return f"{key} {row.get(self.also)}"
        if not self.shown:
            return key if isinstance(key, int) else str(key)
        return " ".join(str(row.get(name)) for name in (self.key, *self.shown))

    def key_of(self, ref: str | int) -> str:
        """The key in a reference."""
        return str(ref).partition(" ")[0] if self.shown else str(ref)

    def spoken(self, ref: str) -> str:
        """The fact as a message names it."""
        if self.kind in (Kind.RUN, Kind.PRUNING):
            return self.one
        key, _, more = ref.partition(" ") if self.shown else (ref, "", "")
        if self.kind in (Kind.OUTCOME, Kind.ACTION_OUTCOME):
            more = f"row {more}"
        return f"{self.one} {key}" + (f" ({more})" if more else "")


_TABLES = (
    FactTable(Kind.RUN, runs, "run_id", "the run's header", "run headers", kept=True),
    FactTable(Kind.STATE, run_states, "seq", "state", "states", ("state",), kept=True),
    FactTable(Kind.REJECTION, rejections, "row", "rejected row", "rejected rows"),
    FactTable(Kind.OWN_CELLS, own_cells, "row", "own columns of row", "rows of own columns"),
    FactTable(Kind.PLAN, plan_rows, "row", "plan row", "plan rows"),
    FactTable(Kind.CALL, calls, "call_id", "call", "calls"),
    FactTable(Kind.ANSWER, answers, "call_id", "the answer to call", "answers", via=calls),
    FactTable(Kind.OUTCOME, outcomes, "seq", "outcome", "outcomes", ("row", "half")),
    FactTable(Kind.VERDICT, verdicts, "row", "the verdict on row", "verdicts"),
    FactTable(Kind.ACTION_PLAN, action_rows, "row", "row of the action plan", "rows of action plans"),
    FactTable(Kind.ACTION_OUTCOME, action_outcomes, "seq", "outcome of an action", "outcomes of actions", ("row",)),
    FactTable(Kind.ACTION_VERDICT, action_verdicts, "row", "the verdict on action row", "verdicts on actions"),
    FactTable(Kind.FILE, run_files, "seq", "kept file", "kept files", ("name",)),
    FactTable(Kind.EXPLAINED, explained, "number", "explained change", "explained changes"),
    FactTable(Kind.BASELINE, baselines, "sim_id", "the last known status of SIM", "last known statuses", kept=True),
    FactTable(Kind.PRUNING, prunings, "run_id", "the note of its pruning", "prunings", kept=True),
)
FACTS = {each.kind: each for each in _TABLES}

_ARRIVAL_TABLES = (
    FactTable(Kind.ARRIVAL, arrivals, "arrival_id", "the arrival", "arrivals"),
    FactTable(Kind.ARRIVAL_REJECTION, arrival_rejections, "arrival_id", "invalid row", "invalid rows", also="row"),
    FactTable(Kind.ARRIVAL_END, arrival_ends, "arrival_id", "the end of arrival", "ends of arrivals"),
    FactTable(Kind.SCHEDULE, schedules, "schedule_id", "schedule", "schedules"),
    FactTable(
        Kind.SCHEDULE_ROW, schedule_rows, "schedule_id", "schedule row", "schedule rows", also="row", via=schedules
    ),
    FactTable(
        Kind.SCHEDULE_SKIP, schedule_skips, "schedule_id", "left out row", "rows left out", also="row", via=schedules
    ),
    FactTable(Kind.SCHEDULE_EVENT, schedule_events, "schedule_id", "event", "events", also="number", via=schedules),
)
ARRIVAL_FACTS = {each.kind: each for each in _ARRIVAL_TABLES}
EVERY_FACT: Mapping[Kind, FactTable] = {**FACTS, **ARRIVAL_FACTS}


@dataclass(frozen=True, slots=True)
class Strand:
    """Chains of one kind: whose they are, where their links and facts are, and which kinds of fact the heads remember.

    `owners` has a row for each chain, and its key names the chain here and in `links`.
    """

    kind: str
    owners: Table
    links: Table
    facts: Mapping[Kind, FactTable]
    remembered: frozenset[Kind]

    @property
    def key(self) -> str:
        """The column with the name of the chain."""
        return f"{self.kind}_id"


RUNS = Strand("run", runs, links, FACTS, frozenset(REMEMBERED))
ARRIVALS = Strand("arrival", arrivals, arrival_links, ARRIVAL_FACTS, frozenset(ARRIVAL_FACTS))

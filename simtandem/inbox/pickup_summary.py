"""What one look at an inbox has come to, in an operator's words: sentences, and how much they matter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import polars as pl

from schemas.statuses import Verdict
from simtandem.inbox.due_rows import LeftOut
from simtandem.ledger.schedule_records import Arrival, ScheduleState
from simtandem.reports.headline import parts
from simtandem.reports.run_document import Document

_NAMED = 5
_LONGEST = 300


class Concern(IntEnum):
    """Why someone should look at it: what weighs most names the whole look."""

    NOTHING = 0
    ROWS = 1  # the file's fault: invalid rows, refused moves, a file refused
    LEFT_OUT = 2  # overdue or contradicting
    NOT_IN_SYNC = 3
    TRY_AGAIN = 4  # an outage, a disk, an inbox unreachable; it continues automatically
    TOKEN = 5


STATE_NAMES = {
    Concern.ROWS: "Rows invalid or refused",
    Concern.LEFT_OUT: "Rows not carried out",
    Concern.NOT_IN_SYNC: "Not in sync",
    Concern.TRY_AGAIN: "To be tried again",
    Concern.TOKEN: "Token refused",
}
NOTHING_DUE = "Nothing due"
"""The name of the state of a look that did nothing. No notification has it."""
_NOTHING = "Nothing new, nothing due"
_OF_THE_FILE = {Verdict.REFUSED, Verdict.INVALID, Verdict.IN_SYNC}


def nothing_due(aside: str) -> str:
    """What a look says that did nothing; `aside` is what it saw nevertheless."""
    return f"{_NOTHING}; {aside}" if aside else f"{_NOTHING}."


def tells_nothing(name: str, message: str) -> bool:
    """Whether a state of that name and message is one that nobody needs: a look did nothing, for no account."""
    return name == NOTHING_DUE and f"{_NOTHING};" not in message


@dataclass(slots=True)
class LookSummary:
    """Gathers what is to be said of a look."""

    sentences: list[str] = field(default_factory=list)
    concern: Concern = Concern.NOTHING
    aside: str = ""
    """What every look would say again: shown, and no reason to notify anybody."""

    def __str__(self) -> str:
        """Everything, in the order it happened."""
        return "; ".join(filter(None, [*self.sentences, self.aside]))

    def note(self, sentence: str, concern: Concern = Concern.NOTHING) -> None:
        """Add a sentence, on one line."""
        line = " ".join(sentence.split())
        self.sentences.append(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
        self.concern = max(self.concern, concern)

    def took(self, arrival: Arrival, invalid: pl.DataFrame) -> None:
        """A file was taken; `invalid` are its rows that can't be used (`schemas.tables.Rejected`)."""
        name = arrival.file.name
        if arrival.reason:
            self.note(f"{name}: refused, {arrival.reason}", Concern.ROWS)
        elif arrival.rejected:
            row, column, value, reason = invalid.row(0)
            verb = "is" if arrival.rejected == 1 else "are"
            told = f"{arrival.rejected:,} of {arrival.rows:,} rows {verb} invalid"
            self.note(f"{name}: {told}, the first: row {row}, {column} {value!r}: {reason}", Concern.ROWS)

    def could_not_move(self, troubles: list[str]) -> None:
        """Files could not be taken or put away: each trouble names one."""
        told = list(dict.fromkeys(troubles))
        if told:
            many = "1 file" if len(told) == 1 else f"{len(told):,} files"
            self.note(f"{many} could not be moved, the first: {told[0]}", Concern.TRY_AGAIN)

    def not_taken(self, entries: Mapping[str, str]) -> None:
        """Entries of the inbox that are called like lists and stay there, by name, each with what it is."""
        if entries:
            self.aside = f"not taken: {_named([f'{name} ({why})' for name, why in entries.items()])}"

    def left_out(self, found: LeftOut) -> None:
        """Rows that are due are not carried out."""
        self.note(str(found), Concern.LEFT_OUT if found.why.needs_a_person else Concern.NOTHING)

    def ended(self, file: str, state: ScheduleState, document: Document | None, detail: str) -> None:
        """A run of what is due ended. `document` is the run's, `detail` what else its record says."""
        if state is ScheduleState.REFUSED:
            self.note(f"{file}: refused, nothing was sent: {_first_line(detail)}", Concern.ROWS)
        elif state is ScheduleState.FAILED or document is None:
            self.note(f"{file}: not applied: {_first_line(detail)} It is tried again.", Concern.TRY_AGAIN)
        else:
            counts = ", ".join(f"{count:,} {words}" for count, words in parts(document))
            self.note(f"{file}: {state}, {counts} (run {document['run_id']})", _concern(state, document))

    def token_refused(self, said: str, waiting: list[str]) -> None:
        """The carrier lets nobody in, so nothing more is begun."""
        self.note(f"the carrier refused the token: {_first_line(said)} {_wait(waiting)}", Concern.TOKEN)

    def out_of_reach(self, said: str, waiting: list[str]) -> None:
        """Something blocks all that is due, so nothing more is begun."""
        self.note(f"{_first_line(said)} {_wait(waiting)}", Concern.TRY_AGAIN)


def _concern(state: ScheduleState, document: Document) -> Concern:
    if state is ScheduleState.APPLIED and document["exit_code"] == 0:
        return Concern.NOTHING
    open_verdicts = {verdict for verdict, count in document["verdicts"].items() if count}
    only_the_file = state is ScheduleState.APPLIED and open_verdicts <= _OF_THE_FILE
    return Concern.ROWS if only_the_file else Concern.NOT_IN_SYNC


def _wait(files: list[str]) -> str:
    if not files:
        return "Nothing else is due."
    wait = "1 file waits" if len(files) == 1 else f"{len(files):,} files wait"
    return f"{wait}, nothing is lost: {_named(files)}."


def _named(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _first_line(text: str) -> str:
    line = (text.strip().splitlines() or [""])[0]
    return line if line.endswith((".", "…")) else f"{line}."

"""The files of a run: those for people, and what its steps leave for each other."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import polars as pl

from schemas import own_columns
from simtandem.carriers.protocol import Listing
from simtandem.errors import LedgerError
from simtandem.reports.run_document import Document, PlanCounts, SelectionSaid
from simtandem.text.redaction import redacted_data, redacted_frame

_OWN, _CONTESTED, _SELECTION = "own.parquet", "contested.parquet", "selection.json"


class IntakeRecord(TypedDict):
    """`intake.json`: what was read. `rows` are all device rows of the file, the `invalid` ones included."""

    file: str
    sha256: str
    rows: int
    invalid: int
    notes: list[str]


class SelectionRecord(SelectionSaid):
    """`selection.json`: what was selected. `rows` are all rows that the run answers for, the invalid ones included.

    `warnings` say where more may have to be selected; an older version of simtandem had them among the `notes`.
    """

    rows: int
    notes: list[str]
    warnings: NotRequired[list[str]]


class ListingRecord(TypedDict):
    """`listing.json`: the look that the plan is made from, as `carriers.protocol.Listing` has it.

    `begun` is when it began by the clock, and `turn` by the account's claims. `refused` has the kind of id, the id, and
    why the carrier does not show that device. What is `NotRequired` is missing where an older version of simtandem
    listed.
    """

    devices: int
    begun: str
    turn: NotRequired[int]
    whole: bool
    sims: int | None
    activated: int | None
    pages: NotRequired[int | None]
    pages_s: NotRequired[float | None]
    refused: NotRequired[list[tuple[str, str, str]]]


class PlanRecord(PlanCounts):
    """`plan.json`: what the plan would do. Of the `newly_billed`, `billed_for_good` can't go back."""

    digest: str
    repeats: int
    billed_for_good: int
    newly_billed_limit: int | None
    selection: NotRequired[SelectionSaid]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run. Those for people are named in the operator's interface; those in `work` are between steps."""

    path: Path

    def file(self, name: str) -> Path:
        """One of the files for people: `plan.csv`, `invalid.csv`, `results.csv` and so on."""
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether a step left `name` here already."""
        return (self.path / "work" / name).exists()

    def save_table(self, name: str, table: pl.DataFrame) -> None:
        """Keep a table for a later step."""
        with _kept(self.path):
            partial = self._place(name + ".partial")  # a kill on the way leaves no half of a table
            redacted_frame(table).write_parquet(partial)
            partial.replace(self._place(name))

    def make(self) -> None:
        """Make the folder, where someone took it away."""
        with _kept(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    def save_bytes(self, name: str, data: bytes) -> Path:
        """Keep a file that someone gave; returns where."""
        path = self.path / name
        with _kept(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return path

    def table(self, name: str) -> pl.DataFrame:
        """A table an earlier step kept. Raises `LedgerError` where it is gone or damaged."""
        path = self.path / "work" / name
        with _found(path):
            return pl.read_parquet(path)

    def own(self) -> pl.DataFrame:
        """The operator's own columns of the input rows (`schemas.own_columns`); none where there are none."""
        return self.table(_OWN) if self.has(_OWN) else own_columns.none()

    def contested(self) -> pl.DataFrame | None:
        """The input rows that are not used because others contradict them; None in a run of an earlier version."""
        return self.table(_CONTESTED) if self.has(_CONTESTED) else None

    def save_own(self, own: pl.DataFrame) -> None:
        """Keep the operator's own columns, where there are some."""
        if own.width > 1:
            self.save_table(_OWN, own)

    def save(self, name: str, data: Mapping[str, object]) -> None:
        """Keep plain data for a later step."""
        with _kept(self.path):
            partial = self._place(name + ".partial")
            partial.write_text(json.dumps(redacted_data(data), indent=1), encoding="utf-8")
            partial.replace(self._place(name))

    def data(self, name: str) -> Mapping[str, object]:
        """Plain data an earlier step kept. Raises `LedgerError` where it is gone or damaged."""
        path = self.path / "work" / name
        with _found(path):
            loaded: object = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(loaded, dict):
                raise TypeError("it holds no data of a run")
            return loaded

    def read_intake(self) -> IntakeRecord:
        """What reading the file left, also where an older version of simtandem did that."""
        kept = self.data("intake.json")
        return cast("IntakeRecord", {"invalid": kept.get("rejected", 0), **kept})

    def intake(self) -> IntakeRecord:
        """What the run is asked: what reading the file left, less what a selection has left out."""
        read, selection = self.read_intake(), self.selection()
        if selection is None:
            return read
        return {
            **read,
            "rows": selection["rows"],
            "notes": [*selection["notes"], *selection.get("warnings", []), *read["notes"]],
        }

    def save_selection(self, kept: SelectionRecord) -> None:
        """Write down what was selected."""
        self.save(_SELECTION, kept)

    def selection(self) -> SelectionRecord | None:
        """What was selected; None where the run's devices are those of a list."""
        return cast("SelectionRecord", self.data(_SELECTION)) if self.has(_SELECTION) else None

    def save_listing(self, listing: Listing, *, begun: str, turn: int) -> None:
        """Write down the look: its inventory, and `ListingRecord` as the last, which says that it is complete."""
        self.save_table("inventory.parquet", listing.inventory)
        kept: ListingRecord = {
            "devices": listing.inventory.height,
            "begun": begun,
            "turn": turn,
            "whole": listing.whole,
            "sims": listing.sims,
            "activated": listing.activated,
            "pages": listing.pages,
            "pages_s": listing.pages_s,
            "refused": [(*which, why) for which, why in listing.refused.items()],
        }
        self.save("listing.json", kept)

    def listing(self) -> ListingRecord:
        """What listing the carrier's devices left, besides the devices."""
        return cast("ListingRecord", self.data("listing.json"))

    def plan_counts(self) -> PlanRecord:
        """What planning left, also where an older version of simtandem did that."""
        older = {"targets": {}, "billed_for_good": 0, "newly_billed_limit": 0, "summary": ""}
        return cast("PlanRecord", {**older, **self.data("plan.json")})

    def document(self) -> Document:
        """The run's document, once it has one."""
        return cast("Document", self.data("document.json"))

    def _place(self, name: str) -> Path:
        folder = self.path / "work"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name


class _kept:  # noqa: N801 - reads as a word: with _kept(folder)
    """Says in an operator's words what keeping a file failed of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | pl.exceptions.ComputeError):
            raise LedgerError(
                f"The run's files can't be written to {self._folder} ({error}).\n"
                "Check the disk's free space and permissions, then run again: what was done is not done twice."
            ) from error


@contextmanager
def _found(path: Path) -> Iterator[None]:
    """Says in an operator's words that a file of a run is gone, was cut short, or was changed."""
    try:
        yield
    except (OSError, ValueError, TypeError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise LedgerError(
            f"The run's files in {path.parent.parent} are gone or damaged: {path.name} ({first}).\n"
            "Nothing more is sent in this run; what was sent is recorded. Run the same again: what was done is not "
            "done twice. A plan that waits for approval has to be made again."
        ) from error

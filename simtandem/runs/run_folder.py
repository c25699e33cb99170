"""The files of a run: those for people, and what its steps leave for each other."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import polars as pl

from simtandem.errors import LedgerError
from simtandem.reports.run_document import Document, PlanCounts
from simtandem.text.redaction import redacted_data, redacted_frame


class IntakeRecord(TypedDict):
    """`intake.json`: what was read. `rows` are all device rows of the file, the `invalid` ones included."""

    file: str
    sha256: str
    rows: int
    invalid: int
    notes: list[str]


class ListingRecord(TypedDict):
    """`listing.json`: the look that the plan is made from, as `carriers.protocol.Listing` has it.

    `begun` is when it began. `refused` has the kind of id, the id, and why the carrier does not show that device. What
    is `NotRequired` is missing where an older version of simtandem listed.
    """

    devices: int
    begun: str
    whole: bool
    sims: int | None
    activated: int | None
    pages: NotRequired[int | None]
    refused: NotRequired[list[tuple[str, str, str]]]


class PlanRecord(PlanCounts):
    """`plan.json`: what the plan would do. Of the `newly_billed`, `billed_for_good` can't go back."""

    digest: str
    repeats: int
    billed_for_good: int
    newly_billed_limit: int | None


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

    def intake(self) -> IntakeRecord:
        """What reading the file left, also where an older version of simtandem did that."""
        kept = self.data("intake.json")
        return cast("IntakeRecord", {"invalid": kept.get("rejected", 0), **kept})

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

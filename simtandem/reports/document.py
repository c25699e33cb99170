"""The JSON document that `plan`, `apply` and `reconcile` print, and the exit codes that go with it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NotRequired, TypedDict

from schemas.statuses import Outcome, Verdict


class InputCounts(TypedDict):
    """The file that was read. `rows` are all its device rows, the `rejected` ones included."""

    file: str
    sha256: str
    rows: int
    rejected: int


class PlanCounts(TypedDict):
    """What the plan would do: counts, and the seconds it is expected to take."""

    devices: int
    sim_changes: int
    endpoint_changes: int
    unchanged: int
    refused: int
    calls: int
    eta_s: float
    newly_billed: int
    owner_changes: int


class CallCounts(TypedDict):
    """Calls sent: all of them, those that were a second or later attempt, and those the carrier answered with 429."""

    total: int
    retried: int
    throttled: int


class Document(TypedDict):
    """The whole document. `document` makes it; what reads it back may cast to this."""

    run_id: str
    carrier: str
    digest: str
    exit_code: int
    input: InputCounts
    plan: PlanCounts
    outcomes: dict[str, int]
    verdicts: dict[str, int]
    calls: CallCounts
    seconds: float
    files: dict[str, str]
    ledger_head: NotRequired[str]
    """The head of the run's chain in the ledger when the document was made: everything but the state that ends it."""


def document(  # noqa: PLR0913 - one argument for each key of the document
    *,
    run_id: str,
    carrier: str,
    digest: str,
    exit_code: int,
    input: InputCounts,  # noqa: A002 - the document's own word
    plan: PlanCounts,
    outcomes: Mapping[str, int],
    verdicts: Mapping[str, int],
    calls: CallCounts,
    seconds: float,
    files: Mapping[str, object],
) -> dict[str, object]:
    """The document: always the same keys in the same order, ready for `json.dumps`.

    `outcomes` counts steps and `verdicts` input rows. A word not given counts 0; an unknown one is a ValueError.
    """
    keys: Document = {
        "run_id": run_id,
        "carrier": carrier,
        "digest": digest,
        "exit_code": exit_code,
        "input": InputCounts(
            file=input["file"], sha256=input["sha256"], rows=input["rows"], rejected=input["rejected"]
        ),
        "plan": _plan(plan),
        "outcomes": _every(Outcome, outcomes),
        "verdicts": _every(Verdict, verdicts),
        "calls": CallCounts(total=calls["total"], retried=calls["retried"], throttled=calls["throttled"]),
        "seconds": round(float(seconds), 1),
        "files": {name: str(path) for name, path in files.items()},
    }
    return dict(keys)


def exit_code_for(verdicts: Mapping[str, int]) -> int:
    """`apply`: 0 if every input row is in sync, else 1."""
    others = sum(count for verdict, count in verdicts.items() if verdict != Verdict.IN_SYNC)
    return 0 if others == 0 else 1


def exit_code_for_plan(*, refused: int, rejected: int) -> int:
    """`plan`: 0 if no move is refused and no row rejected, else 1."""
    return 0 if refused == 0 and rejected == 0 else 1


def exit_code_for_reconcile(verdicts: Mapping[str, int]) -> int:
    """`reconcile`: 0 if nothing differs from the file, else 1. A row that could not be compared counts as different."""
    return exit_code_for(verdicts)


def _plan(plan: PlanCounts) -> PlanCounts:
    return PlanCounts(
        devices=plan["devices"],
        sim_changes=plan["sim_changes"],
        endpoint_changes=plan["endpoint_changes"],
        unchanged=plan["unchanged"],
        refused=plan["refused"],
        calls=plan["calls"],
        eta_s=round(float(plan["eta_s"]), 1),
        newly_billed=plan["newly_billed"],
        owner_changes=plan["owner_changes"],
    )


def _every(words: type[StrEnum], counts: Mapping[str, int]) -> dict[str, int]:
    """A count for every word, in the order of the enumeration."""
    strangers = sorted(set(counts) - set(words))
    if strangers:
        raise ValueError(f"{strangers[0]!r} is no {words.__name__.lower()}")
    return {str(word): int(counts.get(word, 0)) for word in words}

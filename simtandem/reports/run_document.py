"""The JSON document that `plan`, `apply` and `reconcile` print, and the exit codes that go with it."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, NotRequired, TypedDict, cast

from schemas.statuses import EMNIFY_TARGETS, Outcome, Verdict
from simtandem.domain.stop_reason import Stop
from simtandem.domain.verdicts import SETTLED
from simtandem.reports.run_counts import Figures
from simtandem.reports.wave_sections import WaveDocument

SCHEMA = 2
"""The form of the document. 2: unusable input rows are `invalid`, moves that no rule allows are `refused`."""


class InputCounts(TypedDict):
    """The file that was read. `rows` are all its device rows, the `invalid` ones included.

    `rejected` is the same number as `invalid`, under the name it had in the first form of the document.
    """

    file: str
    sha256: str
    rows: int
    invalid: int
    rejected: int


class SelectionSaid(TypedDict):
    """What the devices were selected by, of a run that was asked to: `selected` of the `listed` devices.

    Of a list's rows, `no_device` lead to no device and are refused, and `left_out` are of devices not selected; with
    these, the rows that repeat others, and the invalid ones, all rows of the list are accounted for.

    `file` is the list that was made of them, in the run's folder, and `sha256` is that file's. `events_since` is how
    far back the carrier's event log was read for it; None where it was not asked for.
    """

    where: str
    file: str
    sha256: str
    selected: int
    listed: int
    no_device: int
    left_out: int
    events_since: str | None


class PlanSaid(TypedDict):
    """A plan in one sentence, and its numbers: see `PlanCounts`."""

    summary: NotRequired[str]
    changes: NotRequired[dict[str, int]]
    actions: NotRequired[dict[str, int]]
    monthly_cost: NotRequired[float | None]
    currency: NotRequired[str]
    fees: NotRequired[int]
    consequences: NotRequired[list[str]]
    calls_at_least: NotRequired[bool]
    charges_known: NotRequired[bool]


class PlanCounts(PlanSaid):
    """What the plan would do: counts, and the seconds it is expected to take.

    `targets` counts the devices by the status that is asked for, those already there and those refused included;
    `changes` only those that are changed. `summary` says the plan in one sentence. `monthly_cost` is what the newly
    billed SIMs cost a month in `currency`, None where no rate is set. Older documents lack these four.
    `actions` counts the SIM actions to send, of a run that sends some.
    `fees` counts the SIMs whose move may cost a fee of its own, and `consequences` say that, and what the move does not
    end; both are there only where the carrier's rules know of something. `calls_at_least`, where it is there, says that
    `calls` is the least: changes are asked for until they show. `charges_known`, where it is there, is false: which
    statuses are charged is the contract's, `newly_billed` counts the SIMs that the limits take for it, and
    `monthly_cost` is None.
    """

    devices: int
    sim_changes: int
    endpoint_changes: int
    unchanged: int
    refused: int
    calls: int
    eta_s: float
    newly_billed: int
    owner_changes: int
    targets: dict[str, int]


class Billing(TypedDict):
    """Of the plan's newly billed SIMs those that can't go back, and how many the settings allowed; None: any number."""

    for_good: int
    limit: int | None


class CallCounts(TypedDict):
    """Calls sent: all of them, those that were a second or later attempt, and those the carrier answered with 429."""

    total: int
    retried: int
    throttled: int


class ChangedCounts(TypedDict):
    """What the run changed, by the carrier's answers and the fresh look: see `reports.run_counts.Figures`."""

    devices: int
    sims: int
    endpoints: int
    owners: int
    newly_billed: int
    no_longer_billed: int


class NotSentCounts(TypedDict):
    """The rows that are `skipped`, by how far they came."""

    half_done: int
    not_begun: int


class Stopped(TypedDict):
    """Who or what ended the run before it had sent everything (`schemas.statuses.StoppedBy`), and why in words."""

    by: str
    why: str


class Document(TypedDict):
    """The whole document. `document` makes it, `recorded_document` reads it back.

    What is `NotRequired` is missing in documents that older versions recorded, and where there is nothing to say.
    """

    run_id: str
    carrier: str
    digest: str
    exit_code: int | None
    schema: int
    account: str
    input: InputCounts
    plan: PlanCounts
    outcomes: dict[str, int]
    verdicts: dict[str, int]
    calls: CallCounts
    seconds: float
    files: dict[str, str]
    carrier_host: NotRequired[str]
    state: NotRequired[str]
    """How far a run is that did not record a document: only then. The `exit_code` is None unless an error ended it."""
    changed: NotRequired[ChangedCounts]
    not_sent: NotRequired[NotSentCounts]
    billing: NotRequired[Billing]
    warnings: NotRequired[list[str]]
    """What an operator should know of how the run was made, whichever way it ended."""
    continued_on: NotRequired[list[str]]
    """The hosts that continued it after a process of it had died, in order."""
    selection: NotRequired[SelectionSaid]
    stopped: NotRequired[Stopped]
    waves: NotRequired[list[WaveDocument]]
    """Of a run that was sent in waves: each of them."""
    refusal: NotRequired[str]
    next: NotRequired[str]
    """The command that retries what was left open; only where a retry would send something."""
    instead: NotRequired[list[str]]
    """What to do about rows that no run can change, a sentence for each reason."""
    finished_by: NotRequired[str]
    """The run that has brought since what was left open to where it was to be. Only in reports."""
    compare: NotRequired[str]
    """The command that compares what was asked for with the carrier; empty where there is none. Only in reports."""
    ledger_head: NotRequired[str]
    """The head of the run's chain in the ledger when the document was made: everything but the state that ends it."""


def document(  # noqa: PLR0913 - one argument for each key of the document
    *,
    run_id: str,
    carrier: str,
    digest: str,
    exit_code: int,
    account: str,
    input: Mapping[str, Any],  # noqa: A002 - the document's own word; `file`, `sha256`, `rows` and `invalid` of it count
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
        "schema": SCHEMA,
        "account": account,
        "input": _input(input),
        "plan": _plan(plan),
        "outcomes": _every(Outcome, outcomes, left_out={Outcome.ACCEPTED} - {*outcomes}),
        "verdicts": _every(Verdict, verdicts),
        "calls": CallCounts(total=calls["total"], retried=calls["retried"], throttled=calls["throttled"]),
        "seconds": round(float(seconds), 1),
        "files": {name: str(path) for name, path in files.items()},
    }
    return dict(keys)


def changes(figures: Figures, stop: Stop | None = None) -> dict[str, object]:
    """The part of a document that says what a run changed, what it did not send, and who stopped it."""
    changed = {key: getattr(figures, key) for key in ChangedCounts.__annotations__}
    not_sent = {key: getattr(figures, key) for key in NotSentCounts.__annotations__}
    stopped = {} if stop is None else {"stopped": {"by": str(stop.by), "why": stop.why}}
    return {"changed": changed, "not_sent": not_sent, **stopped}


def recorded_document(detail: Mapping[str, Any]) -> Document | None:
    """The document that a run's recorded state carries, in today's form; None where it carries none."""
    document = detail.get("document")
    if not isinstance(document, dict):
        return None
    return cast("Document", document if document.get("schema") == SCHEMA else _from_first_form(document))


def _from_first_form(document: dict[str, Any]) -> dict[str, Any]:
    """In the first form, invalid rows and refused moves were both called `rejected`."""
    verdicts, files, read = (dict(document.get(name, {})) for name in ("verdicts", "files", "input"))
    rejected, unusable = verdicts.pop("rejected", 0), read.get("rejected", 0)
    invalid = min(unusable, rejected)
    if "rejected" in files:
        files["invalid"] = files.pop("rejected")
    return document | {
        "schema": SCHEMA,
        "account": document.get("account", ""),
        "input": read | {"invalid": unusable},
        "plan": {"targets": {}, **document.get("plan", {})},
        "verdicts": _every(Verdict, verdicts | {Verdict.REFUSED: rejected - invalid, Verdict.INVALID: invalid}),
        "files": files,
    }


class _Selecting(TypedDict):
    selection: NotRequired[SelectionSaid]


def selection_said(kept: SelectionSaid | None) -> _Selecting:
    """The part of a document, or of the record of a plan, about its selection; nothing where there is none."""
    if kept is None:
        return {}
    return {"selection": cast("SelectionSaid", {name: kept.get(name) for name in SelectionSaid.__annotations__})}


def with_rows(document: Document) -> dict[str, str]:
    """The files of a run that people have a reason to open: those that have rows below their header."""
    empty = set() if document["input"]["invalid"] else {"invalid"}
    if not any(count for verdict, count in document["verdicts"].items() if verdict not in SETTLED):
        empty.add("retry")
    return {name: path for name, path in document["files"].items() if name not in empty}


def exit_code_for(verdicts: Mapping[str, int]) -> int:
    """`apply`: 0 if every input row is in sync, else 1."""
    others = sum(count for verdict, count in verdicts.items() if verdict != Verdict.IN_SYNC)
    return 0 if others == 0 else 1


def exit_code_for_plan(*, refused: int, invalid: int) -> int:
    """`plan`: 0 if no move is refused and no row invalid, else 1."""
    return 0 if refused == 0 and invalid == 0 else 1


def exit_code_for_reconcile(verdicts: Mapping[str, int]) -> int:
    """`reconcile`: 0 if nothing differs from the file, else 1. A row that could not be compared counts as different."""
    return exit_code_for(verdicts)


def _input(read: Mapping[str, Any]) -> InputCounts:
    invalid = read["invalid"]
    return InputCounts(file=read["file"], sha256=read["sha256"], rows=read["rows"], invalid=invalid, rejected=invalid)


def _plan(plan: PlanCounts) -> PlanCounts:
    made = PlanCounts(
        devices=plan["devices"],
        sim_changes=plan["sim_changes"],
        endpoint_changes=plan["endpoint_changes"],
        unchanged=plan["unchanged"],
        refused=plan["refused"],
        calls=plan["calls"],
        eta_s=round(float(plan["eta_s"]), 1),
        newly_billed=plan["newly_billed"],
        owner_changes=plan["owner_changes"],
        targets=_targets(plan["targets"]),
        summary=plan.get("summary", ""),
        changes=dict(plan.get("changes", {})),
        monthly_cost=plan.get("monthly_cost"),
        currency=plan.get("currency", ""),
    )
    if "actions" in plan:
        made["actions"] = dict(plan["actions"])
    if "fees" in plan:
        made["fees"] = plan["fees"]
    if "consequences" in plan:
        made["consequences"] = list(plan["consequences"])
    if plan.get("calls_at_least"):
        made["calls_at_least"] = True
    if not plan.get("charges_known", True):
        made["charges_known"] = False
    return made


def _targets(counts: Mapping[str, int]) -> dict[str, int]:
    """A count for each status that the carrier of the plan has; a plan of an older version may lack some of them."""
    words = list(counts) if set(counts) - {*EMNIFY_TARGETS} else [str(target) for target in EMNIFY_TARGETS]
    return {word: int(counts.get(word, 0)) for word in words}


def _every(words: type[StrEnum], counts: Mapping[str, int], left_out: Collection[str] = ()) -> dict[str, int]:
    """A count for every word, in the order of the enumeration, but for those left out."""
    strangers = sorted(set(counts) - set(words))
    if strangers:
        raise ValueError(f"{strangers[0]!r} is no {words.__name__.lower()}")
    return {str(word): int(counts.get(word, 0)) for word in words if word not in left_out}

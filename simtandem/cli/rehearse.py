"""`simtandem rehearse`: the plan, and how carrying it out would go, shown on an emulated carrier."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from schemas.parameters import BulkUpdate
from simtandem.carriers.registry import missing_to_change
from simtandem.cli import run_output
from simtandem.cli.console import Output
from simtandem.cli.interruption import stoppable
from simtandem.cli.options import (
    BATCH_SIZE,
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Digest,
    FilesIfAny,
    IssuedTo,
    Quiet,
    Sheet,
    To,
    Verbose,
    WaveLimit,
    Waves,
    Where,
)
from simtandem.cli.plan import applying, compared, show_applying
from simtandem.cli.plan_output import PlanView, show_plan
from simtandem.cli.request import WaveOptions, options_of, request_for, saving_status
from simtandem.cli.retry import open_rows, waves_of
from simtandem.cli.undo import applying as applying_undo
from simtandem.errors import InputError
from simtandem.host.clock import SimulatedTime
from simtandem.ledger.records import RunKind
from simtandem.rehearsal.rehearse import Rehearsed
from simtandem.rehearsal.rehearse import rehearse as rehearse_plan
from simtandem.rehearsal.stage import LATENCY_S
from simtandem.reports.headline import headline
from simtandem.reports.run_document import Document
from simtandem.runs.prepare import changes_something
from simtandem.runs.run import Run
from simtandem.runs.undo import named as undone_run
from simtandem.text.formats import duration
from simtandem.text.shell_line import shell_line
from simtandem.text.terminal import print_json

RetryOf = Annotated[
    str, typer.Option("--retry", metavar="RUN", help="Rehearse a retry of RUN instead of FILE.", show_default=False)
]
UndoOf = Annotated[
    str, typer.Option("--undo", metavar="RUN", help="Rehearse an undo of RUN instead of FILE.", show_default=False)
]
Faults = Annotated[
    bool, typer.Option("--faults", help="Let about three calls in a hundred go wrong: errors, no answer, HTTP 429.")
]


def rehearse(
    files: FilesIfAny = None,
    to: To = None,
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    sheet: Sheet = None,
    *,
    where: Where = None,
    retry_of: RetryOf = "",
    undo_of: UndoOf = "",
    issued_to: IssuedTo = "",
    waves: Waves = "",
    wave_limit: WaveLimit = "",
    faults: Faults = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan FILE, then carry the plan out on an emulated carrier that holds the listed devices in their present state.

    Says how long it would take with the carrier's limits, which rows would not get there, and what it costs. The
    carrier is only listed, as by plan, whose exit codes it has. After a wave its devices are looked at as by apply; the
    carrier's events, and approvals between waves, are left out.
    """
    limits = {"accept_large": accept_large, "change_owners": change_owners}
    named: dict[str, Any] = {"digest": digest, "waves": WaveOptions(waves, wave_limit), **limits}
    lists = [each for each in (files or None, where, retry_of or None, undo_of or None) if each is not None]
    if issued_to and not undo_of:
        raise typer.BadParameter("--issued-to is for an undo: name the run with --undo RUN.")
    if retry_of or undo_of:
        if len(lists) > 1 or to is not None or sheet:
            raise typer.BadParameter("A run that is retried or undone names its devices: leave out FILE and the like.")
        request = _of_run(retry_of, undo_of, batch_size, named, issued_to)
    else:
        request = request_for(files, to, batch_size, sheet=sheet, where=where, **named)
    raise typer.Exit(_plan_and_rehearse(request, Output(as_json, quiet, verbose), files, faults=faults))


def _of_run(retry_of: str, undo_of: str, batch_size: int, named: dict[str, Any], issued_to: str) -> BulkUpdate:
    """What a retry or an undo of an earlier run asks for. Raises `InputError` where there is none to rehearse."""
    if retry_of:
        record, rows = open_rows(retry_of)
        named = {**named, "waves": waves_of(record, named["waves"])}
        return request_for([rows], None, batch_size, account=record.account, retry_of=record.run_id, **named)
    record = undone_run(undo_of)
    if record.kind is RunKind.ACTION:
        raise InputError(f"Run {record.run_id} sent SIM actions, which can't be rehearsed. Nothing was sent.")
    described = Path(f"undo of {record.run_id}")
    request = request_for([described], None, batch_size, account=record.account, undo_of=record.run_id, **named)
    return request.model_copy(update={"issued_to": saving_status(issued_to, record.account)})


def _plan_and_rehearse(request: BulkUpdate, output: Output, files: Sequence[Path] | None, *, faults: bool) -> int:
    """Plan, rehearse the plan, and show both. Returns the exit code."""
    output.log()
    run, document = compared("plan", request, output)
    rehearsed = _rehearsed(run, output, faults=faults) if _possible(run) else None
    if rehearsed is not None:
        document["files"]["rehearsal"] = str(rehearsed.results)
    if output.as_json:
        print_json({**document, "rehearsal": None if rehearsed is None else _counts(rehearsed, faults=faults)})
    else:
        show_plan(output.out, PlanView.of_document(run, document))
        _show(output.out, rehearsed)
        run_output.show_files(output.out, document)
        _show_next(output, run, document, files=files, request=request)
    return int(document["exit_code"] or 0)


def _possible(run: Run) -> bool:
    return changes_something(run) and not missing_to_change(run.settings)


def _rehearsed(run: Run, output: Output, *, faults: bool) -> Rehearsed:
    replace(output, verbose=False).log()  # the log is the plan's: nothing of the rehearsal is recorded
    with output.hooks() as hooks, asyncio.Runner(loop_factory=SimulatedTime) as runner:
        hooks.begins("rehearsing on an emulated carrier")

        def say(ended: int, steps: int, seconds: float) -> None:
            hooks.begins(f"{ended:,} of {steps:,} changes, after {duration(seconds)} of the carrier's time")

        return runner.run(stoppable(rehearse_plan(run, faults=faults, say=say), hooks))


def _counts(rehearsed: Rehearsed, *, faults: bool) -> dict[str, Any]:
    """What the JSON document says of the rehearsal."""
    document = rehearsed.document
    names = ("exit_code", "digest", "outcomes", "verdicts", "changed", "not_sent", "calls", "seconds")
    return {
        **{name: document[name] for name in names},  # type: ignore[literal-required]
        **({"waves": document["waves"]} if "waves" in document else {}),
        "same_plan": rehearsed.same_plan,
        "faults": faults,
        "latency_s": LATENCY_S,
        "took_s": round(rehearsed.took_s, 1),
    }


def _show(console: Console, rehearsed: Rehearsed | None) -> None:
    if rehearsed is None:
        console.print(Text("\nThere is nothing to rehearse: the plan changes nothing that can be sent.", "yellow"))
        return
    document = rehearsed.document
    good = document["exit_code"] == 0
    told = f"\nRehearsed: it takes {duration(document['seconds'])}. {headline(document)} then."
    console.print(Text(told, style="bold green" if good else "bold yellow"), soft_wrap=True)
    if why := document.get("stopped", {}).get("why"):
        console.print(Text(f"  {why}", style="yellow"), soft_wrap=True)
    console.print(run_output.counts(document))
    run_output.show_waves(console, document)
    notes = [f"Each call is taken to last {LATENCY_S:g} s; the rate limits are the carrier's. Nothing was sent to it."]
    if not rehearsed.same_plan:
        notes.append("The emulated carrier led to another plan: it does not hold everything that the real one does.")
    for note in notes:
        console.print(Text(f"  {note}", "dim"), soft_wrap=True)


def _show_next(
    output: Output, run: Run, document: Document, *, files: Sequence[Path] | None, request: BulkUpdate
) -> None:
    if not document.get("refusal") and changes_something(run):
        show_applying(output.out, request, document, _applying(files, request, document["digest"]))


def _applying(files: Sequence[Path] | None, request: BulkUpdate, digest: str) -> str:
    """The command that carries out what was rehearsed; a retry plans anew, and has no digest."""
    if request.retry_of:
        return shell_line(["simtandem", "retry", request.retry_of, *options_of(request)])
    if request.undo_of:
        return applying_undo(request, digest)
    return applying(files, request, digest)

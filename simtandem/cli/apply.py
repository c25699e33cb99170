"""`simtandem apply`, and what `apply`, `retry` and `undo --yes` share: plan, ask, send, show the result."""

import sys
from typing import cast

import typer

from schemas.parameters import BulkUpdate
from schemas.waves import WaveCheck
from simtandem import progress
from simtandem.carriers.registry import require_credentials
from simtandem.cli import run_output
from simtandem.cli.confirmation import confirmed
from simtandem.cli.console import Output
from simtandem.cli.interruption import listening_again, stoppable
from simtandem.cli.options import (
    BATCH_SIZE,
    WAVE_WAIT,
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Digest,
    FilesIfAny,
    Quiet,
    Sheet,
    To,
    Urgent,
    Verbose,
    WaveApproval,
    WaveChecks,
    WaveLimit,
    Waves,
    WaveWait,
    Where,
    Yes,
)
from simtandem.cli.plan_output import PlanView, show_plan
from simtandem.cli.request import WaveOptions, request_for
from simtandem.errors import InputError, Interrupted, PlanRefused, SimtandemError
from simtandem.host.standard_streams import complain
from simtandem.prefect_server.flow_start import Orchestration, run_and_leave
from simtandem.reports.run_document import Document
from simtandem.runs import pipeline, prepare
from simtandem.runs.handover import PreparedRun, handing_on
from simtandem.runs.run import AskedOn, Run, kind_of
from simtandem.settings import Settings, load
from simtandem.text import json_logs
from simtandem.text.terminal import print_json


def apply(
    files: FilesIfAny = None,
    to: To = None,
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    sheet: Sheet = None,
    *,
    where: Where = None,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    urgent: Urgent = False,
    waves: Waves = "",
    wave_limit: WaveLimit = "",
    wave_check: WaveChecks = WaveCheck.NONE,
    wave_wait: WaveWait = WAVE_WAIT,
    wave_approval: WaveApproval = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan, check the safety limits, send the changes in batches of pairs, reconcile, report.

    From another terminal: `simtandem pause RUN`, `simtandem resume RUN`.
    """
    request = request_for(
        files,
        to,
        batch_size,
        digest=digest,
        accept_large=accept_large,
        change_owners=change_owners,
        sheet=sheet,
        where=where,
        urgent=urgent,
        waves=WaveOptions(waves, wave_limit, wave_check, wave_wait, wave_approval),
    )
    raise typer.Exit(carry_out(request, Output(as_json, quiet, verbose), yes=yes))


def carry_out(request: BulkUpdate, output: Output, *, yes: bool) -> int:
    """Change the devices of a file, or of a run to retry or undo; show the result. Returns the exit code."""
    ask = not yes and sys.stdin.isatty() and sys.stderr.isatty() and not json_logs.wanted()
    if not yes and not ask:
        why = "JSON messages ask nothing" if json_logs.wanted() else "There is no terminal to ask on"
        raise InputError(f"{why}, so --yes is required. Nothing was sent.")
    output.log()
    with output.hooks() as hooks:
        settings = load(request.account)
        require_credentials(settings)
        request = request.model_copy(update={"account": settings.account})
        document = run_and_leave(stoppable(_run(request, settings, output, ask=ask), hooks))
    if document is None:
        raise Interrupted("Not confirmed. Nothing was sent.")
    if output.as_json:
        print_json(document)
    else:
        _show(document, output)
    return int(document["exit_code"] or 0)


def _show(document: Document, output: Output) -> None:
    run_output.show_result(output.out, document)
    run_output.show_files(output.out, document)


async def _run(request: BulkUpdate, settings: Settings, output: Output, *, ask: bool) -> Document | None:
    """The run's document, or None where the operator said no."""
    run = Run.begin(request, kind_of(request), settings, asked_on=AskedOn.TERMINAL)
    try:
        with run.failing():
            if not await _send(run, output, ask=ask):
                return None
    except SimtandemError as error:
        if not run.folder.has("document.json"):
            raise
        return _ended_by(error, run, output)
    finally:
        run.close()
    return _document(run)


def _document(run: Run) -> Document:
    return run.folder.document()


def _ended_by(error: SimtandemError, run: Run, output: Output) -> Document:
    """The document of a run that an error ended after it was planned, with that error, for --json.

    On a terminal the document is shown; then the error is raised on.
    """
    document = _document(run)
    if output.as_json:
        complain(type(error).__name__, str(error), error.exit_code, on_stdout=False)
        ended = {**document, "exit_code": error.exit_code, "error": type(error).__name__, "message": str(error)}
        return cast("Document", ended)
    if isinstance(error, PlanRefused):
        show_plan(output.out, PlanView.of_run(run))
        run_output.show_paths(output.out, {"plan": document["files"]["plan"]})
    else:
        _show(document, output)
    raise error


async def _send(run: Run, output: Output, *, ask: bool) -> bool:
    """Run the flow, after the question if there is one. False where the answer was no; raises what ended the run."""
    prepare.read_devices(run)
    async with Orchestration(run.settings) as prefect:
        if ask:
            await pipeline.plan_and_check(run)
            if not await confirmed(run, output.err):
                run.decline()
                return False
        progress.current().begins("starting Prefect" if prefect.own else "reporting to Prefect")
        await prefect.ready()
        with handing_on(PreparedRun.of(run)):
            error = await prefect.run(run.request, begins=listening_again())
    if error is not None:
        raise error
    return True

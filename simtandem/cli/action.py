"""`simtandem action`, and what it shares with the undo of such a run: plan, ask, send, show the result."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from schemas.parameters import BulkUpdate
from schemas.sim_actions import SimAction
from simtandem import progress
from simtandem.carriers.registry import lifecycle_for, require_credentials
from simtandem.carriers.sim_actions import ActingCarrier
from simtandem.cli import run_output
from simtandem.cli.action_output import show_action_plan
from simtandem.cli.confirmation import agreed
from simtandem.cli.console import Output
from simtandem.cli.interruption import stoppable
from simtandem.cli.options import BATCH_SIZE, AcceptLarge, AsJson, BatchSize, Digest, Files, Quiet, Sheet, Verbose, Yes
from simtandem.cli.request import request_for
from simtandem.domain.sim_actions import action_words, missing
from simtandem.errors import InputError, Interrupted, PlanRefused, SimtandemError
from simtandem.ledger import flow_runs
from simtandem.ledger.records import RunState
from simtandem.reports import batch_codes
from simtandem.reports.run_commands import sheet_options
from simtandem.reports.run_document import Document
from simtandem.runs import action_finish, action_run, takeover
from simtandem.runs.action_run import ActionRun
from simtandem.runs.action_sending import ActionSending
from simtandem.settings import Settings, chosen_account, load
from simtandem.text.shell_line import shell_line
from simtandem.text.terminal import print_json

Do = Annotated[
    str,
    typer.Option(
        "--do",
        metavar="ACTION",
        help="Action for rows without one, such as assign.",
        show_default=False,
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Reset once more what was sent and never answered.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and write plan.csv. Changes nothing.")]


def action(
    files: Files,
    do: Do = "",
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    sheet: Sheet = None,
    *,
    dry_run: DryRun = False,
    again: Again = False,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Assign SIMs to endpoints, release them and the like: plan, check the safety limits, send, reconcile, report."""
    request = request_for(files, None, batch_size, digest=digest, accept_large=accept_large, sheet=sheet)
    output = Output(as_json, quiet, verbose)
    raise typer.Exit(carry_out(request, do, output, yes=yes, plan_only=dry_run, again=again))


def carry_out(request: BulkUpdate, do: str, output: Output, *, yes: bool, plan_only: bool, again: bool = False) -> int:
    """Send the actions of a file, or take those of a run back; show the result. Returns the exit code."""
    ask = not (yes or plan_only) and sys.stdin.isatty() and sys.stderr.isatty()
    if not (yes or plan_only or ask):
        raise InputError("There is no terminal to ask on, so --yes is required. Nothing was sent.")
    output.log()
    with output.hooks() as hooks:
        settings = load(request.account)
        require_credentials(settings)
        request = request.model_copy(update={"account": settings.account})
        run = ActionRun.start(request, _action(do, settings), settings, plan_only=plan_only)
        run.again = again
        try:
            document = asyncio.run(stoppable(_run(run, output, ask=ask), hooks))
        finally:
            run.close()
    if document is None:
        raise Interrupted("Not confirmed. Nothing was sent.")
    if output.as_json:
        print_json(document)
    elif not plan_only:
        run_output.show_result(output.out, document)
        run_output.show_files(output.out, document)
    return int(document["exit_code"] or 0)


def _action(do: str, settings: Settings) -> SimAction | None:
    """The action that --do names. Raises `InputError` where this carrier has none of that name."""
    if not do:
        return None
    lifecycle = lifecycle_for(settings)
    words = action_words(lifecycle.actions)
    plain = do.strip().lower().replace("_", "").replace("-", "").replace(" ", "")
    if not words:
        raise InputError(f"{missing(lifecycle.carrier)}. Nothing was sent.")
    if plain not in words:
        allowed = ", ".join(dict.fromkeys(words.values()))
        raise InputError(f"--do {do}: not an action. Use one of {allowed}. Nothing was sent.")
    return SimAction(words[plain])


async def _run(run: ActionRun, output: Output, *, ask: bool) -> Document | None:
    """The run's document, or None where the operator said no. Raises what ended the run."""
    try:
        at_work = takeover.show_at_work(run)
        with run.failing(), flow_runs.held(run.ledger.database, lambda: at_work):
            return await _steps(run, output, ask=ask)
    except SimtandemError as error:
        if not run.folder.has("document.json"):
            raise
        document = run.folder.document()
        if output.as_json:
            output.err.print(f"{type(error).__name__}: {error}", markup=False, soft_wrap=True)
            ended = {**document, "exit_code": error.exit_code, "error": type(error).__name__, "message": str(error)}
            return cast("Document", ended)
        raise


async def _steps(run: ActionRun, output: Output, *, ask: bool) -> Document | None:
    action_run.read_wishes(run)
    async with run.carrier() as (carrier, journal):
        if not isinstance(carrier, ActingCarrier):
            raise InputError(f"{missing(run.settings.carrier)}. Nothing was sent.")
        await action_run.list_devices(run, carrier)
        action_run.plan_actions(run)
        if not output.as_json:
            show_action_plan(output.err if ask else output.out, run)
        if run.plans_only:
            return _planned(run, output)
        _check(run)
        if ask and not await _agreed(run, output):
            run.decline()
            return None
        sending = ActionSending(run, carrier, journal)
        await sending.send()
        await action_finish.reconcile(run, carrier, briefly=sending.interrupted)
        ended = RunState.INTERRUPTED if sending.interrupted else RunState.FINISHED
        return action_finish.finish(run, ended, stop=sending.stop)


def _planned(run: ActionRun, output: Output) -> Document:
    """The end of a run that only plans, with what the safety limits would say."""
    refusal = ""
    try:
        action_run.check(run)
    except PlanRefused as refused:
        refusal = str(refused)
    document = action_finish.finish(run, why=refusal)
    if not output.as_json:
        if refusal:
            output.out.print(f"\n{refusal}", markup=False, style="yellow", soft_wrap=True)
        run_output.show_files(output.out, document)
        command = applying(run, document["digest"])
        if command and not refusal and sum(document["plan"].get("actions", {}).values()):
            run_output.show_next(output.out, "To send these actions", command)
    return document


def applying(run: ActionRun, digest: str) -> str:
    """The command that sends what was planned."""
    account = ["--account", chosen] if (chosen := chosen_account()) else []
    large = ["--accept-large"] if run.request.accept_large else []
    if run.request.undo_of:
        return shell_line(["simtandem", "undo", run.request.undo_of, "--yes", *large, *account, "--plan", digest])
    again = ["--again"] if run.again else []
    if typed := batch_codes.as_arguments(run.request.file):
        return shell_line(["simtandem", "register-batch", *typed, *large, *account, "--plan", digest])
    files = [run.request.file, *run.request.more_files]
    if not all(Path(file).is_file() and not file.startswith("/dev/") for file in files):
        return ""
    do = ["--do", str(run.do)] if run.do else []
    options = [*do, *sheet_options({"sheet": run.request.sheet}), *again, *large, *account]
    return shell_line(["simtandem", "action", *files, *options, "--plan", digest])


def _check(run: ActionRun) -> None:
    try:
        action_run.check(run)
    except PlanRefused as refusal:
        action_finish.finish(run, RunState.REFUSED, why=str(refusal))
        raise


async def _agreed(run: ActionRun, output: Output) -> bool:
    """Ask whether to send; a plan that sends nothing needs no question."""
    plan = run.folder.plan_counts()
    if not sum(plan.get("actions", {}).values()):
        return True
    progress.current().idles()
    return await agreed(run, output.err, plan.get("summary", ""), plan["billed_for_good"])

"""`simtandem plan`, and what `plan`, `reconcile` and a planned `undo` share: compare, show, change nothing."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from schemas.parameters import BulkUpdate, Wish
from simtandem.cli import run_output
from simtandem.cli.console import Output
from simtandem.cli.interruption import stoppable
from simtandem.cli.list_files import STDIN, expanded
from simtandem.cli.options import (
    BATCH_SIZE,
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Digest,
    FilesIfAny,
    Quiet,
    Sheet,
    To,
    Verbose,
    Where,
)
from simtandem.cli.plan_output import PlanView, show_plan
from simtandem.cli.request import options_of, request_for
from simtandem.ledger.records import RunKind
from simtandem.reports.run_document import Document
from simtandem.runs import pipeline
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import chosen_account, load
from simtandem.text.shell_line import shell_line
from simtandem.text.terminal import print_json


def plan(
    files: FilesIfAny = None,
    to: To = None,
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    sheet: Sheet = None,
    *,
    where: Where = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accepted as by apply; plan does not ask.")] = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Read FILE or select devices, list the carrier's devices, compare; show the plan, write plan.csv. Changes nothing.

    It takes the options of apply, and exits with 3 where apply with the same options would refuse the plan.
    """
    del yes
    request = request_for(
        files,
        to,
        batch_size,
        digest=digest,
        accept_large=accept_large,
        change_owners=change_owners,
        sheet=sheet,
        where=where,
    )
    output = Output(as_json, quiet, verbose)
    raise typer.Exit(look("plan", request, output, lambda digest: applying(files, request, digest)))


def applying(files: Sequence[Path] | None, request: BulkUpdate, digest: str) -> str:
    """The command that applies the plan of this list with that digest; empty where a file can't be read again.

    It has the files as they were named, patterns as patterns. Standard input alone can be given the same list again.
    """
    asked, digested = options_of(request), ["--plan", digest]
    account = ["--account", chosen] if (chosen := chosen_account()) else []
    if files == [STDIN] and not request.where:
        return shell_line(["simtandem", "apply", "-", *asked, *account, "--yes", *digested])
    if not all(file.is_file() and not file.is_relative_to("/dev") for file in expanded(files or ())):
        return ""
    return shell_line(["simtandem", "apply", *map(str, files or ()), *asked, *account, *digested])


def show_applying(console: Console, request: BulkUpdate, document: Document, command: str) -> None:
    """The command that applies a plan; where its list can't be read again, the one that plans what was selected."""
    selected = document["files"].get("selected", "")
    if command:
        again = ", with the same list on standard input" if request.file == str(STDIN) else ""
        run_output.show_next(console, f"To apply this plan{again}", command)
    elif request.where and selected:
        account = ["--account", chosen] if (chosen := chosen_account()) else []
        asked = request.model_copy(update={"where": "", "to": Wish.AS_IN_FILE, "sheet": ""})
        line = shell_line(["simtandem", "plan", selected, *options_of(asked), *account])
        run_output.show_next(console, "To plan what was selected as a list of its own", line)


def compared(kind: Literal["plan", "reconcile"], request: BulkUpdate, output: Output) -> tuple[Run, Document]:
    """Compare a file, or a run to undo, with the carrier; the run, which is closed, and its document."""
    with output.hooks() as hooks:
        settings = load(request.account)
        request = request.model_copy(update={"account": settings.account})
        run = Run.begin(request, RunKind(kind), settings, asked_on=AskedOn.TERMINAL)
        try:
            with run.failing():
                document = asyncio.run(stoppable(pipeline.compare(run), hooks))
        finally:
            run.close()
    return run, document


def look(
    kind: Literal["plan", "reconcile"],
    request: BulkUpdate,
    output: Output,
    following: Callable[[str], str] = lambda _: "",
) -> int:
    """Compare a file, or a run to undo, with the carrier; show the plan, and the command that applies it.

    `following` makes that command from the plan's digest; it is shown where the plan has changes that no safety limit
    refuses. Returns the exit code.
    """
    output.log()
    run, document = compared(kind, request, output)
    if output.as_json:
        print_json(document)
    else:
        show_plan(output.out, PlanView.of_document(run, document))
        if kind == "reconcile":
            run_output.show_result(output.out, document)
        run_output.show_files(output.out, document)
        plan = document["plan"]
        if not document.get("refusal") and plan["sim_changes"] + plan["endpoint_changes"]:
            show_applying(output.out, request, document, following(document["digest"]))
    return int(document["exit_code"] or 0)

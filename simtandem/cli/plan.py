"""`simtandem plan`, and what `plan`, `reconcile` and a planned `undo` share: compare, show, change nothing."""

import asyncio
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from schemas.parameters import BulkUpdate
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
    File,
    Quiet,
    To,
    Verbose,
)
from simtandem.cli.plan_output import PlanView, show_plan
from simtandem.cli.request import options_of, request_for
from simtandem.ledger.records import RunKind
from simtandem.runs import pipeline
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import chosen_account, load
from simtandem.text.terminal import print_json


def plan(
    file: File,
    to: To = None,
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accepted as by apply; plan does not ask.")] = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Validate FILE, list the carrier's devices, compare; show the plan and write plan.csv. Changes nothing.

    It takes the options of apply, and exits with 3 where apply with the same options would refuse the plan.
    """
    del yes
    request = request_for(file, to, batch_size, digest=digest, accept_large=accept_large, change_owners=change_owners)
    output = Output(as_json, quiet, verbose)
    raise typer.Exit(look("plan", request, output, lambda digest: applying(file, request, digest)))


def applying(file: Path, request: BulkUpdate, digest: str) -> str:
    """The command that applies the plan of this file with that digest; empty where the file can't be read again."""
    if not file.is_file() or file.is_relative_to("/dev"):
        return ""
    account = ["--account", chosen] if (chosen := chosen_account()) else []
    return shlex.join(["simtandem", "apply", str(file), *options_of(request), *account, "--plan", digest])


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
    with output.hooks() as hooks:
        settings = load(request.account)
        request = request.model_copy(update={"account": settings.account})
        run = Run.begin(request, RunKind(kind), settings, asked_on=AskedOn.TERMINAL)
        try:
            with run.failing():
                document = asyncio.run(stoppable(pipeline.compare(run), hooks))
        finally:
            run.close()
    if output.as_json:
        print_json(document)
    else:
        show_plan(output.out, PlanView.of_document(run, document))
        if kind == "reconcile":
            run_output.show_result(output.out, document)
        run_output.show_files(output.out, document)
        plan, command = document["plan"], following(document["digest"])
        if command and not document.get("refusal") and plan["sim_changes"] + plan["endpoint_changes"]:
            run_output.show_next(output.out, "To apply this plan", command)
    return int(document["exit_code"] or 0)

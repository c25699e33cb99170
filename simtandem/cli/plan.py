"""`simtandem plan`, and what `plan`, `reconcile` and a planned `undo` share: compare, show, change nothing."""

import asyncio
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
from simtandem.cli.request import request_for
from simtandem.cli.run_output import PlanView
from simtandem.ledger.records import RunKind
from simtandem.runs import pipeline
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import load
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
    raise typer.Exit(look("plan", request, Output(as_json, quiet, verbose)))


def look(kind: Literal["plan", "reconcile"], request: BulkUpdate, output: Output, following: str = "") -> int:
    """Compare a file, or a run to undo, with the carrier; show the plan, and the command that applies it.

    `following`: that command, where the plan has changes. Returns the exit code.
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
        run_output.show_plan(output.out, PlanView.of_document(run, document))
        if kind == "reconcile":
            run_output.show_result(output.out, document)
        run_output.show_files(output.out, document)
        if following and document["plan"]["sim_changes"] + document["plan"]["endpoint_changes"]:
            run_output.show_next(output.out, "To apply this plan", following)
    return int(document["exit_code"] or 0)

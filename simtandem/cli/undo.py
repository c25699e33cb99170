"""`simtandem undo`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from schemas.parameters import BulkUpdate
from simtandem.cli.action import carry_out as carry_out_actions
from simtandem.cli.apply import carry_out
from simtandem.cli.console import Output
from simtandem.cli.options import (
    BATCH_SIZE,
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Digest,
    IssuedTo,
    Quiet,
    RunId,
    Urgent,
    Verbose,
)
from simtandem.cli.plan import look
from simtandem.cli.request import options_of, request_for, saving_status
from simtandem.ledger.records import RunKind
from simtandem.runs.undo import named
from simtandem.text.shell_line import shell_line


def undo(
    run: RunId,
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    issued_to: IssuedTo = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply the plan; otherwise it is only shown.")] = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    urgent: Urgent = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan the inverse of RUN for the devices still in the status it gave them; with --yes, apply it."""
    undone = named(run)
    request = request_for(
        [Path(f"undo of {undone.run_id}")],
        None,
        batch_size,
        digest=digest,
        account=undone.account,
        undo_of=undone.run_id,
        accept_large=accept_large,
        change_owners=change_owners,
        urgent=urgent,
    ).model_copy(update={"issued_to": saving_status(issued_to, undone.account)})
    output = Output(as_json, quiet, verbose)
    if undone.kind is RunKind.ACTION:
        raise typer.Exit(carry_out_actions(request, "", output, yes=yes, plan_only=not yes))
    raise typer.Exit(
        carry_out(request, output, yes=True) if yes else look("plan", request, output, partial(applying, request))
    )


def applying(request: BulkUpdate, digest: str) -> str:
    """The command that applies the undo that was planned with these options, if it still leads to that plan."""
    return shell_line(["simtandem", "undo", request.undo_of, "--yes", *options_of(request), "--plan", digest])

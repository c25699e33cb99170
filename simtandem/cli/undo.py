"""`simtandem undo`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from schemas.parameters import BulkUpdate
from simtandem.cli.apply import carry_out
from simtandem.cli.console import Output
from simtandem.cli.options import (
    BATCH_SIZE,
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Digest,
    Quiet,
    RunId,
    Verbose,
)
from simtandem.cli.plan import look
from simtandem.cli.request import options_of, request_for
from simtandem.runs.undo import named


def undo(
    run: RunId,
    batch_size: BatchSize = BATCH_SIZE,
    digest: Digest = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply the plan; otherwise it is only shown.")] = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan the inverse of RUN for the devices still in the status it gave them; with --yes, apply it."""
    run_id, account = named(run)
    request = request_for(
        Path(f"undo of {run_id}"),
        None,
        batch_size,
        digest=digest,
        account=account,
        undo_of=run_id,
        accept_large=accept_large,
        change_owners=change_owners,
    )
    output = Output(as_json, quiet, verbose)
    raise typer.Exit(
        carry_out(request, output, yes=True) if yes else look("plan", request, output, lambda _: _applying(request))
    )


def _applying(request: BulkUpdate) -> str:
    """The command that applies the undo that was planned with these options."""
    return shlex.join(["simtandem", "undo", request.undo_of, "--yes", *options_of(request)])

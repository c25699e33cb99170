"""`simtandem register-batch`."""

from typing import Annotated

import typer

from schemas.parameters import BulkUpdate, Mode
from simtandem.cli.action import DryRun, carry_out
from simtandem.cli.console import Output
from simtandem.cli.options import AcceptLarge, AsJson, Digest, Quiet, Verbose, Yes
from simtandem.errors import InputError
from simtandem.reports import batch_codes

Codes = Annotated[list[str], typer.Argument(metavar="BIC...", help="The codes of the batches.", show_default=False)]
To = Annotated[
    str, typer.Option("--to", metavar="STATUS", help="What their SIMs are then: issued, activated or factory_test.")
]


def register_batch(
    codes: Codes,
    to: To = "issued",
    digest: Digest = "",
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Register batches of SIMs by their codes (BIC): look at them, plan, check the safety limits, send, report."""
    if strange := next((code for code in [*codes, to] if not code or set(code) & set(',"\n\r;\t')), None):
        raise InputError(f"{strange!r} is neither a code nor a status. Nothing was sent.")
    request = BulkUpdate(
        file=batch_codes.as_list(codes, to),
        mode=Mode.APPLY,
        plan_digest=digest,
        accept_large=accept_large,
    )
    raise typer.Exit(carry_out(request, "", Output(as_json, quiet, verbose), yes=yes, plan_only=dry_run))

"""`simtandem reconcile`."""

import typer

from simtandem.cli.console import Output
from simtandem.cli.options import AsJson, FilesIfAny, Quiet, Sheet, To, Verbose, Where
from simtandem.cli.plan import look
from simtandem.cli.request import request_for


def reconcile(
    files: FilesIfAny = None,
    to: To = None,
    sheet: Sheet = None,
    *,
    where: Where = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare FILE, or what is selected, with the carrier. Changes nothing; exit code 0 if nothing differs."""
    request = request_for(files, to, sheet=sheet, where=where)
    raise typer.Exit(look("reconcile", request, Output(as_json, quiet, verbose)))

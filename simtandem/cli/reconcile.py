"""`simtandem reconcile`."""

import typer

from simtandem.cli.console import Output
from simtandem.cli.options import AsJson, File, Quiet, To, Verbose
from simtandem.cli.plan import look
from simtandem.cli.request import request_for


def reconcile(
    file: File, to: To = None, *, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Compare FILE with the carrier's listing. Changes nothing; exit code 0 if nothing differs."""
    raise typer.Exit(look("reconcile", request_for(file, to), Output(as_json, quiet, verbose)))

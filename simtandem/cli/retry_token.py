"""`simtandem retry-token`."""

import typer

from simtandem.carriers.registry import forget_refused_tokens
from simtandem.cli.options import AsJson
from simtandem.errors import LedgerError
from simtandem.settings import load
from simtandem.text.terminal import print_json, results


def retry_token(*, as_json: AsJson = False) -> None:
    """Allow the next run one more attempt with an application token that the carrier refused. Sends nothing itself."""
    raise typer.Exit(forget_refusals(as_json=as_json))


def forget_refusals(*, as_json: bool) -> int:
    """Delete the record of tokens that the carrier of these settings refused. Returns the exit code."""
    settings = load()
    try:
        known = forget_refused_tokens(settings)
    except OSError as error:
        raise LedgerError(
            f"The record of refused tokens can't be deleted ({error}). Check the permissions of {settings.home}."
        ) from error
    if as_json:
        print_json({"carrier_host": settings.carrier_host, "forgotten": known, "exit_code": 0}, indent=None)
        return 0
    if known:
        text = f"The next run tries the application token at {settings.carrier_host} once more. Nothing was sent."
    else:
        text = f"{settings.home} has no record of a token refused by {settings.carrier_host}. Nothing was sent."
    results().print(text, markup=False, soft_wrap=True)
    return 0

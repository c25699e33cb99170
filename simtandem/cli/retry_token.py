"""`simtandem retry-token`."""

import typer

from simtandem.carriers.registry import credential_of, forget_refused_tokens
from simtandem.cli.options import AsJson
from simtandem.errors import LedgerError
from simtandem.settings import load
from simtandem.text.terminal import print_json, results


def retry_token(*, as_json: AsJson = False) -> None:
    """Allow the next run one more attempt with a token, key or password that was refused. Sends nothing itself."""
    raise typer.Exit(forget_refusals(as_json=as_json))


def forget_refusals(*, as_json: bool) -> int:
    """Delete the record of what the carrier of these settings refused. Returns the exit code."""
    settings = load()
    credential = credential_of(settings)
    try:
        known = forget_refused_tokens(settings)
    except OSError as error:
        raise LedgerError(
            f"The record of a refused {credential} can't be deleted ({error}). "
            f"Check the permissions of {settings.home}."
        ) from error
    if as_json:
        print_json({"carrier_host": settings.carrier_host, "forgotten": known, "exit_code": 0}, indent=None)
        return 0
    if known:
        text = f"The next run tries the {credential} at {settings.carrier_host} once more. Nothing was sent."
    else:
        text = f"{settings.home} has no record of a refused {credential} at {settings.carrier_host}. Nothing was sent."
    results().print(text, markup=False, soft_wrap=True)
    return 0

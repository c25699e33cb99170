"""The command `simtandem retry-token`."""

from simtandem.carriers.registry import forget_refused_tokens
from simtandem.errors import LedgerError
from simtandem.settings import load
from simtandem.text.terminal import print_json, results


def forget_refusals(*, as_json: bool) -> int:
    """Forget that the carrier of these settings refused tokens, so that the next run tries again, once."""
    settings = load()
    try:
        known = forget_refused_tokens(settings)
    except OSError as error:
        raise LedgerError(
            f"Refused tokens can't be forgotten ({error}). Check the permissions of {settings.home}."
        ) from error
    if as_json:
        print_json({"carrier_host": settings.carrier_host, "forgotten": known, "exit_code": 0}, indent=None)
        return 0
    if known:
        text = f"The next run tries the application token at {settings.carrier_host} again, once. Nothing was sent."
    else:
        text = f"No token is remembered as refused by {settings.carrier_host} in {settings.home}. Nothing was sent."
    results().print(text, markup=False, soft_wrap=True)
    return 0

"""What runs in Prefect need to reach: the server that they report to, and the carrier of each account."""

import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from schemas.accounts import DEFAULT
from simtandem.carriers.registry import require_credentials
from simtandem.errors import InputError
from simtandem.prefect_server.server_identity import running_server
from simtandem.settings import account_names, load, prefect_api_url

_WITHIN_S = 10.0


def prefect_reached(home: Path) -> tuple[str, str]:
    """What was found of Prefect, and what to do about it; the latter is empty where nothing is."""
    url = prefect_api_url()
    if not url:
        if (note := running_server(home / "prefect")) is not None:
            return f"a server of this home's own, which answers at {note.url}", ""
        return "a server of this home's own, started where a run needs it", ""
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{url}/health", timeout=_WITHIN_S) as answer:  # noqa: S310 - the operator's
        if answer.status == 200:
            return f"{url}, which answers", ""
    return (
        f"{url} does not answer",
        "Look after that server, or correct PREFECT_API_URL. Commands at the terminal work without it.",
    )


def without_access() -> Iterator[str]:
    """What each account's runs lack to call its carrier, where no Secret block is named for it."""
    for name in account_names():
        try:
            settings = load(name)
            if not settings.token_block:
                require_credentials(settings)
        except InputError as error:
            told, block = str(error).splitlines()[0].removesuffix(" Nothing was sent."), ""
            if name == DEFAULT and "EMNIFY_TOKEN" in told:
                block = " Runs need the Secret block simtandem-emnify-token."
            yield f"Account {name}: {told}{block}"

"""The operator's browser: a link that logs it in, shown, and opened where there is a desktop."""

import base64
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from simtandem.errors import OrchestrationError
from simtandem.host.atomic_file import replacing
from simtandem.prefect_server.credential import kept_credential
from simtandem.prefect_server.login import LINK_LIFE_S, LINK_PATH, LOGIN_PATH
from simtandem.prefect_server.server_identity import running_server
from simtandem.settings import has_desktop, prefect_ui_url

_WITHIN_S = 30.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Open = Callable[[str], bool]


def new_link(home: Path) -> str:
    """A link that logs in once to the Prefect server of this home. Raises `OrchestrationError`."""
    if (note := running_server(home)) is None:
        raise OrchestrationError(f"No Prefect server of {home.parent} runs. Start it with `simtandem up`.")
    token = base64.b64encode(kept_credential(home).encode()).decode()
    server = note.url.removesuffix("/api")
    request = urllib.request.Request(  # noqa: S310 - http, this machine's own server
        f"{server}{LINK_PATH}", data=b"", headers={"Authorization": f"Basic {token}"}
    )
    try:
        with _DIRECT.open(request, timeout=_WITHIN_S) as answer:
            code = answer.read().decode()
    except (OSError, ValueError) as error:
        raise OrchestrationError(f"The Prefect server of {home.parent} makes no link: {error}.") from None
    shown = urlsplit(prefect_ui_url() or server)
    return f"{shown.scheme}://{shown.netloc}{LOGIN_PATH}#{code}"


def show_link(home: Path, console: Console, open_page: Open = webbrowser.open) -> None:
    """Show a new link, and open it where there is a desktop. Raises `OrchestrationError`."""
    link = new_link(home)
    console.print(link, soft_wrap=True, markup=False, highlight=False)
    console.print(f"It logs a browser in, once, within {LINK_LIFE_S / 60:.0f} minutes.", style="dim")
    if console.is_terminal and has_desktop():
        page = home / "login.html"
        # a file, because every user of the machine sees the arguments that a browser is started with
        with replacing(page, private=True) as file:
            file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={link}">'.encode())
        open_page(page.as_uri())

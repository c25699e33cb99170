"""`simtandem ui`."""

from simtandem.prefect_server.browser import show_link
from simtandem.settings import load_home
from simtandem.text.terminal import results


def ui() -> None:
    """Show a link that logs a browser in to the Prefect server of this home; open it where there is a desktop."""
    show_link(load_home().home / "prefect", results())

"""`simtandem emulator`."""

from typing import Annotated

import typer

from simtandem.emulator.server import serve
from simtandem.emulator.world import DEFAULT_APPLICATION_TOKEN
from simtandem.errors import InputError
from simtandem.text.terminal import results


def emulator(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0: any free one.")] = 8080,
    devices: Annotated[int, typer.Option(metavar="N", min=0, max=1_000_000, help="Devices at the start.")] = 1000,
) -> None:
    """Emulate the carrier's API on this machine until Ctrl-C, to try commands on."""
    console = results()

    def ready(url: str) -> None:
        console.print(f"The emulator serves {devices:,} devices at {url}. Press Ctrl-C to stop.\n")
        console.print(f"  export SIMTANDEM_EMNIFY_URL={url}", soft_wrap=True)
        console.print(f"  export SIMTANDEM_EMNIFY_TOKEN={DEFAULT_APPLICATION_TOKEN}", soft_wrap=True)

    try:
        serve(port, devices, on_ready=ready)
    except OSError as error:
        raise InputError(f"Port {port} can't be used ({error.strerror}). Give another one with --port.") from error

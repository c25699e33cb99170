"""`simtandem demo`: plan and apply on the built-in emulator, with a realistic fleet and file."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from schemas.accounts import DEFAULT
from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.cli import aeris_emulators
from simtandem.cli.apply import carry_out
from simtandem.cli.console import Output
from simtandem.cli.options import Quiet
from simtandem.cli.plan import look
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.settings import choose_account, export, load_home
from simtandem.text.terminal import results

_LATENCY_S = 0.03  # of each call, as over a network
_FILE = "demo-devices.csv"

FLEET = (
    Group(240, SimStatus.ISSUED, EndpointStatus.DISABLED),  # SIMs 10000001 to 10000240
    Group(100, SimStatus.ACTIVATED, EndpointStatus.ENABLED),  # to 10000340
    Group(40, SimStatus.SUSPENDED, EndpointStatus.DISABLED),  # to 10000380
    Group(8, SimStatus.ACTIVATED, EndpointStatus.DISABLED),  # to 10000388: paying but off
    Group(4, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED),  # to 10000392
    Group(4, None, EndpointStatus.DISABLED),  # endpoints 20000393 to 20000396: can never work
    Group(4, SimStatus.ACTIVATED, None),  # SIMs 10000393 to 10000396: paying for nothing
)
"""The emulated fleet; `data/demo-devices.csv` names these ids."""


def demo(
    *,
    carrier: Annotated[str, typer.Option(metavar="CARRIER", help="emnify or aeris.")] = "emnify",
    quiet: Quiet = False,
) -> None:
    """Run plan and apply against the built-in emulator: no account, no set-up."""
    if carrier not in ("emnify", "aeris"):
        raise InputError(f"--carrier {carrier}: use emnify or aeris.")
    if carrier == "aeris":
        raise typer.Exit(aeris_emulators.run_demo(quiet=quiet))
    raise typer.Exit(run_demo(quiet=quiet))


def run_demo(*, quiet: bool = False) -> int:
    """Plan and apply the sample file; returns an exit code."""
    file, console = _file(), results()
    home = load_home().home / "demo"
    with Emulator(FLEET, latency_s=_LATENCY_S) as emulator:
        export(
            {
                "SIMTANDEM_HOME": str(home),
                "SIMTANDEM_SETTINGS": "",
                "SIMTANDEM_EMNIFY_URL": emulator.url,
                "SIMTANDEM_EMNIFY_TOKEN": emulator.token,
            },
            overwrite=True,
        )
        choose_account(DEFAULT)
        request = BulkUpdate(file=str(file), mode=Mode.APPLY, batch_size=100)
        output = Output(quiet=quiet)
        console.print(f"The emulator serves {len(emulator.fleet.sims)} SIMs at {emulator.url}.")
        console.print(f"\n1. simtandem plan {file.name}", style="bold cyan")
        look("plan", request, output)
        console.print(f"\n2. simtandem apply {file.name} --yes", style="bold cyan")
        carry_out(request, output, yes=True)
    for left in [*home.glob("budget-*"), *home.glob("endpoint-writes-*")]:  # of a port that is not used again
        left.unlink()
    console.print(
        "\nNext: open report.html in a browser. Then use your own account; `plan` never changes it:",
        soft_wrap=True,
    )
    console.print("  export SIMTANDEM_EMNIFY_TOKEN=…   # an application token", style="cyan", soft_wrap=True)
    console.print("  simtandem plan your-devices.csv --to activated", style="cyan", soft_wrap=True)
    return 0


def _file() -> Path:
    """The sample, as installed or in a checkout."""
    for folder in (Path(str(resources.files("simtandem"))) / "samples", Path(__file__).parents[2] / "data"):
        if (folder / _FILE).is_file():
            return folder / _FILE
    raise InputError(f"The sample {_FILE} was not installed. Run the demo from a checkout.")

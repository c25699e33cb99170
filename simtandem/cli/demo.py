"""The demonstration: the whole job on the built-in emulator, with a fleet and a file as they really come."""

from importlib import resources
from pathlib import Path

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.cli.bulk_commands import Output, apply, look
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator, serve
from simtandem.emulator.world import DEFAULT_APPLICATION_TOKEN
from simtandem.errors import InputError
from simtandem.settings import export, load
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
"""What the demonstration's carrier holds; `data/demo-devices.csv` speaks of these ids."""


def run_demo(*, quiet: bool = False) -> int:
    """Plan and apply the demonstration's file; returns an exit code."""
    file, console = _file(), results()
    home = load().home / "demo"
    with Emulator(FLEET, latency_s=_LATENCY_S) as emulator:
        export(
            {
                "SIMTANDEM_HOME": str(home),
                "SIMTANDEM_EMNIFY_URL": emulator.url,
                "SIMTANDEM_EMNIFY_TOKEN": emulator.token,
            },
            overwrite=True,
        )
        request = BulkUpdate(file=str(file), mode=Mode.APPLY, batch_size=100)
        output = Output(quiet=quiet)
        console.print(f"A carrier of our own answers at {emulator.url} with {len(emulator.fleet.sims)} SIMs.")
        console.print(f"\n1. simtandem plan {file.name}", style="bold cyan")
        look("plan", request, output)
        console.print(f"\n2. simtandem apply {file.name} --yes", style="bold cyan")
        apply(request, output, yes=True)
    for left in [*home.glob("budget-*"), *home.glob("endpoint-writes-*")]:  # the emulator's port is gone for good
        left.unlink()
    console.print("\nNext: open report.html in a browser. Then with your own account, which `plan` never changes:")
    console.print("  export SIMTANDEM_EMNIFY_TOKEN=…   # an application token", style="cyan", soft_wrap=True)
    console.print("  simtandem plan your-devices.csv --to activated", style="cyan", soft_wrap=True)
    return 0


def run_emulator(port: int, devices: int) -> None:
    """Be a carrier on localhost until Ctrl-C."""
    console = results()

    def ready(url: str) -> None:
        console.print(f"An emulated carrier with {devices:,} devices answers at {url}. Ctrl-C ends it.\n")
        console.print(f"  export SIMTANDEM_EMNIFY_URL={url}", soft_wrap=True)
        console.print(f"  export SIMTANDEM_EMNIFY_TOKEN={DEFAULT_APPLICATION_TOKEN}", soft_wrap=True)

    try:
        serve(port, devices, on_ready=ready)
    except OSError as error:
        raise InputError(f"Port {port} can't be used ({error.strerror}). Give another one with --port.") from error


def _file() -> Path:
    """The sample, in a checkout or as installed."""
    for folder in (Path(__file__).parents[2] / "data", Path(str(resources.files("simtandem"))) / "samples"):
        if (folder / _FILE).is_file():
            return folder / _FILE
    raise InputError(f"The sample {_FILE} was not installed. Run the demonstration from a checkout.")

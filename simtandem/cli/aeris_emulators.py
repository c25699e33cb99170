"""What `emulator --carrier` and `demo --carrier` need of Aeris's two platforms: emulators, and settings for them."""

import shlex
from pathlib import Path

from schemas.accounts import DEFAULT
from schemas.parameters import BulkUpdate, Mode
from simtandem.carriers.registry import lifecycle_of
from simtandem.cli.apply import carry_out
from simtandem.cli.console import Output
from simtandem.cli.plan import look
from simtandem.emulator.aeradmin import server as aeradmin
from simtandem.emulator.aeradmin.devices import DeviceFleet
from simtandem.emulator.iot_accelerator import server as iot
from simtandem.emulator.iot_accelerator.subscriptions import Inventory
from simtandem.settings import choose_account, export, load_home
from simtandem.text.terminal import results


def serve(carrier: str, port: int, devices: int, file: Path | None = None) -> None:
    """Serve one of the two emulators until Ctrl-C."""
    server = aeradmin.serve if carrier == "aeradmin" else iot.serve
    server(port, devices, on_ready=lambda url: show_start(carrier, url, devices, file))


def iccids(carrier: str, devices: int) -> list[str]:
    """Those of the SIMs that an emulated fleet of so many devices has at its start."""
    if carrier == "aeradmin":
        return [each.iccid for each in DeviceFleet.filled(devices, 0.0).profiles()]
    return [each.icc for each in Inventory.filled(devices, 0.0).subscriptions]


def settings_for(carrier: str, url: str) -> dict[str, str]:
    """The variables that lead simtandem to an emulator."""
    if carrier == "aeradmin":
        return {
            "SIMTANDEM_CARRIER": carrier,
            "SIMTANDEM_AERADMIN_URL": url,
            "SIMTANDEM_AERADMIN_ACCOUNT_ID": aeradmin.ACCOUNT,
            "SIMTANDEM_AERADMIN_EMAIL": aeradmin.EMAIL,
            "SIMTANDEM_AERADMIN_API_KEY": aeradmin.API_KEY,
        }
    return {
        "SIMTANDEM_CARRIER": carrier,
        "SIMTANDEM_IOT_ACCELERATOR_URL": url,
        "SIMTANDEM_IOT_ACCELERATOR_USERNAME": iot.USERNAME,
        "SIMTANDEM_IOT_ACCELERATOR_PASSWORD": iot.PASSWORD,
        "SIMTANDEM_IOT_ACCELERATOR_COMPANY": iot.COMPANY,
    }


def run_demo(*, quiet: bool) -> int:
    """Plan and apply on the emulated IoT Accelerator, whose changes are documented; returns an exit code."""
    console, home = results(), load_home().home / "demo-aeris"
    groups = [iot.SubscriptionGroup(40, iot.State.ACTIVE), iot.SubscriptionGroup(10, iot.State.PAUSE)]
    with iot.IotAcceleratorEmulator(groups, work_s=1.0) as emulator:
        own = {"SIMTANDEM_HOME": str(home), "SIMTANDEM_SETTINGS": "", "SIMTANDEM_IOT_ACCELERATOR_POLL_S": "0.5"}
        export(settings_for("iot-accelerator", emulator.url) | own, overwrite=True)
        choose_account(DEFAULT)
        iccids = emulator.change(lambda site: [each.icc for each in site.inventory.subscriptions])
        file = _list_of(home, iccids[:8] + iccids[40:44])
        request = BulkUpdate(file=str(file), mode=Mode.APPLY, batch_size=100)
        console.print(f"The emulator serves {len(iccids)} subscriptions at {emulator.url}.")
        console.print(f"\n1. simtandem plan {file.name}", style="bold cyan")
        look("plan", request, Output(quiet=quiet))
        console.print(f"\n2. simtandem apply {file.name} --yes", style="bold cyan")
        carry_out(request, Output(quiet=quiet), yes=True)
    return 0


def _list_of(home: Path, iccids: list[str]) -> Path:
    """A list that pauses the first eight and activates the others."""
    file = home / "demo-aeris.csv"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = [f"{iccid},{'pause' if number < 8 else 'activate'}" for number, iccid in enumerate(iccids)]
    file.write_text("\n".join(["iccid,status", *rows]) + "\n", encoding="utf-8")
    return file


def show_start(carrier: str, url: str, devices: int, file: Path | None) -> None:
    """Where the emulator is, how to use it, and how to plan with the file of its ICCIDs."""
    console = results()
    console.print(f"The emulator serves {devices:,} devices at {url}. Press Ctrl-C to stop.\n", soft_wrap=True)
    for name, value in settings_for(carrier, url).items():
        console.print(f"  export {name}={value}", soft_wrap=True)
    if file is not None:
        word = lifecycle_of(carrier).goals[0].word
        console.print(f"\nTry it:\n\n  {shlex.join(['simtandem', 'plan', str(file), '--to', word])}", soft_wrap=True)
    elif devices:
        console.print("\n--write-csv FILE writes the ICCIDs of all SIMs as a device CSV.")

"""`simtandem emulator`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from simtandem.cli import aeris_emulators
from simtandem.emulator.numbering import FIRST_ENDPOINT_ID, FIRST_SIM_ID
from simtandem.emulator.seeding import mixture
from simtandem.emulator.server import serve
from simtandem.emulator.world import DEFAULT_APPLICATION_TOKEN
from simtandem.errors import InputError
from simtandem.text.terminal import results


def emulator(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0: any free one.")] = 8080,
    devices: Annotated[int, typer.Option(metavar="N", min=0, max=1_000_000, help="Devices at the start.")] = 1000,
    carrier: Annotated[
        str, typer.Option(metavar="CARRIER", help="emnify, aeradmin or iot-accelerator (both of Aeris).")
    ] = "emnify",
    write_csv: Annotated[
        Path | None, typer.Option("--write-csv", metavar="FILE", help="Write the ids of all SIMs as a device CSV.")
    ] = None,
) -> None:
    """Emulate the carrier's API on this machine until Ctrl-C, to try commands on."""
    if carrier not in ("emnify", "aeradmin", "iot-accelerator"):
        raise InputError(f"--carrier {carrier}: use emnify, aeradmin or iot-accelerator.")
    if write_csv is not None:
        write_ids(write_csv, devices, carrier)
    try:
        if carrier == "emnify":
            serve(port, devices, on_ready=lambda url: show_start(url, devices, write_csv))
        else:
            aeris_emulators.serve(carrier, port, devices, write_csv)
    except OSError as error:
        raise InputError(f"Port {port} can't be used ({error.strerror}). Give another one with --port.") from error


def show_start(url: str, devices: int, file: Path | None) -> None:
    """Where the emulator is, how to use it, and which devices it has."""
    console = results()
    console.print(f"The emulator serves {devices:,} devices at {url}. Press Ctrl-C to stop.\n", soft_wrap=True)
    console.print(f"  export SIMTANDEM_EMNIFY_URL={url}", soft_wrap=True)
    console.print(f"  export SIMTANDEM_EMNIFY_TOKEN={DEFAULT_APPLICATION_TOKEN}", soft_wrap=True)
    sims, endpoints = _counts(devices)
    if sims:
        console.print(f"\nSIM ids {_ids(FIRST_SIM_ID, sims)}; endpoint ids {_ids(FIRST_ENDPOINT_ID, endpoints)}.")
    if file is not None:
        command = shlex.join(["simtandem", "plan", str(file), "--to", "activated"])
        console.print(f"\nTry it:\n\n  {command}", soft_wrap=True)
    elif sims:
        console.print("--write-csv FILE writes them as a device CSV.")


def write_ids(file: Path, devices: int, carrier: str = "emnify") -> None:
    """Write the ids of the SIMs that an emulated fleet of so many devices has. Raises `InputError`."""
    if carrier == "emnify":
        lines = ["sim_id", *map(str, range(FIRST_SIM_ID, FIRST_SIM_ID + _counts(devices)[0]))]
    else:
        lines = ["iccid", *aeris_emulators.iccids(carrier, devices)]
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write("\n".join(lines) + "\n")
    except FileExistsError as error:
        raise InputError(f"--write-csv {file}: there is such a file already. Nothing was written.") from error
    except OSError as error:
        raise InputError(f"--write-csv {file}: it can't be written ({error.strerror}).") from error


def _counts(devices: int) -> tuple[int, int]:
    """How many SIMs and how many endpoints the fleet has."""
    groups = mixture(devices)
    return sum(each.count for each in groups if each.sim), sum(each.count for each in groups if each.endpoint)


def _ids(first: int, count: int) -> str:
    return f"{first} to {first + count - 1}" if count > 1 else str(first)

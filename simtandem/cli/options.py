"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.waves import WaveCheck
from simtandem.cli.list_files import STDIN


def _path_of(file: Path) -> Path:
    return STDIN if str(file) == "-" else file


def _paths_of(files: list[Path] | None) -> list[Path]:
    return [_path_of(file) for file in files or ()]


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="The list, as CSV, .csv.gz or Excel (.xlsx); - reads standard input. Several files, and patterns such as "
        "'lists/*.csv', are one list.",
        callback=_paths_of,
        show_default=False,
    ),
]
FileIfAny = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="The device list: CSV, also packed as .csv.gz, or Excel (.xlsx); - reads standard input. Not needed with "
        "--where.",
        callback=lambda file: None if file is None else _path_of(file),
        show_default=False,
    ),
]
FilesIfAny = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]...",
        help="The device list, as CSV, .csv.gz or Excel (.xlsx); - reads standard input. Several files, and patterns "
        "such as 'lists/*.csv', are one list. Not needed with --where.",
        callback=_paths_of,
        show_default=False,
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="SELECTION",
        help="Select devices by what the carrier shows of them: \"tag = 'depot-7' and sim_status = 'issued'\". With "
        "FILE, those of its devices. Fields and grammar: docs/selecting.md.",
        show_default=False,
    ),
]
Sheet = Annotated[
    list[str] | None,
    typer.Option(
        "--sheet",
        metavar="[FILE:]NAME",
        help="The sheet of a workbook that has several. With FILE: of that workbook alone; can be repeated.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="STATUS",
        help="Status for rows without one: activated, suspended or factory_test; at Aeris provisioned or deactivated.",
    ),
]
BATCH_SIZE = 500
BatchSize = Annotated[int, typer.Option("--batch-size", metavar="N", min=1, max=2000, help="Devices in a batch.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only the result.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log, and tracebacks of unexpected errors.")]
RunId = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The id of a run, the beginning of one, or: latest.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Required without a terminal.")]
AcceptLarge = Annotated[bool, typer.Option("--accept-large", help="Accept a plan beyond the safety limits.")]
ChangeOwners = Annotated[
    bool, typer.Option("--change-owners", help="Allow the file's *_org_id columns to change the owners of SIMs.")
]
IssuedTo = Annotated[
    str,
    typer.Option(
        "--issued-to",
        metavar="STATUS",
        help="Status for SIMs that an undo can't take back to what they were: suspended ends their charges.",
        show_default=False,
    ),
]
Urgent = Annotated[bool, typer.Option("--urgent", help="Send before other runs: get the next calls of the limit.")]
Waves = Annotated[
    str,
    typer.Option(
        "--waves",
        metavar="N,…,rest",
        help="Send so many devices first, such as 50,500,rest or 1%,10%,rest; after each wave read them again, and "
        "continue only if few enough failed.",
        show_default=False,
    ),
]
WaveLimit = Annotated[
    str,
    typer.Option(
        "--wave-limit",
        metavar="N|N%",
        help="So many devices of a wave may be other than asked for. SIMTANDEM_WAVE_LIMIT, or 2%, if not given.",
        show_default=False,
    ),
]
WaveChecks = Annotated[
    WaveCheck,
    typer.Option(
        "--wave-check",
        help="Continue only if the carrier's events show that devices attach, or no alerts, within --wave-wait.",
    ),
]
WAVE_WAIT = "10m"
WaveWait = Annotated[str, typer.Option("--wave-wait", metavar="TIME", help="How long that is watched: 90s, 10m, 2h.")]
WaveApproval = Annotated[
    bool,
    typer.Option("--wave-approval", help="Ask after each wave; without a terminal, wait for `simtandem resume RUN`."),
]
Digest = Annotated[
    str,
    typer.Option("--plan", metavar="DIGEST", help="Apply only if the plan has this digest.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]

"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

_STDIN = Path("/dev/stdin")


def _path_of(file: Path) -> Path:
    return _STDIN if str(file) == "-" else file


File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The device CSV, also packed as .csv.gz; - reads standard input.",
        callback=_path_of,
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="STATUS", help="Status for rows without one: activated, suspended or factory_test."),
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
Digest = Annotated[
    str,
    typer.Option("--plan", metavar="DIGEST", help="Apply only if the plan has this digest.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]

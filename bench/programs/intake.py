"""Reads a device CSV: `python -m bench.programs.intake FILE`."""

import json
import sys
import time
from pathlib import Path

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.intake import read_devices


def main(file: Path) -> None:
    """Print how long reading took, and what was found."""
    begun = time.perf_counter()
    intake = read_devices(file, lifecycle=EMNIFY)
    seconds = time.perf_counter() - begun
    found = {"devices": intake.devices.height, "rejected": intake.rejected.height, "repeats": intake.repeats.height}
    print(json.dumps({"seconds": seconds, "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

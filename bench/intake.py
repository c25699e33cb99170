"""How long reading a device CSV takes, and how much memory.

python bench/intake.py [ROWS]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from simtandem.intake import read_devices


def main(rows: int = 1_000_000) -> None:
    """Write a file of `rows` devices (ICCID, status), read it, print rows, seconds and the process's peak memory."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "devices.csv"
        _write(path, rows)
        start, busy = time.perf_counter(), time.process_time()
        intake = read_devices(path)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        size = path.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"{intake.rows:,} rows ({size:.0f} MB): {seconds:.1f} s ({busy:.1f} s of processor time), peak {peak:.2f} GiB; "
        f"{intake.devices.height:,} devices, {intake.rejected.height:,} rejected, {intake.repeats.height:,} repeats"
    )


def _write(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("iccid,status\n")
        # Ten thousand apart leaves room for a tail: an ICCID that ends in zeros is refused as rounded.
        file.writelines(f"{8_988_303_000_000_000_000 + number * 10_000 + 1234},activated\n" for number in range(rows))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))

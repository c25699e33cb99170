"""What needs no carrier: reading a file, planning, judging results."""

import tempfile
from pathlib import Path

from bench.children import PYTHON, finish
from bench.expecting import expect
from bench.page import Table
from bench.sizes import Sizes

_INTAKE_LIMIT_S, _INTAKE_LIMIT_MIB = 10.0, 1.5 * 1024
_WITHIN_S = 180.0


def intake(sizes: Sizes) -> Table:
    """Read a file of many devices."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "devices.csv"
        _write(file, sizes.rows)
        size = file.stat().st_size / 1e6
        done = finish([PYTHON, "-m", "bench.programs.intake", str(file)], within_s=_WITHIN_S)
    expect("what was read", done.document["found"], {"devices": sizes.rows, "rejected": 0, "repeats": 0})
    return Table(
        ("", "measured", "allowed"),
        [
            ("reading", f"{done.document['seconds']:.1f} s", f"{_INTAKE_LIMIT_S:.0f} s"),
            ("the whole process", f"{done.seconds:.1f} s", ""),
            ("its processor time", f"{done.busy_s:.1f} s", ""),
            ("its peak memory", f"{done.peak_mib:,.0f} MiB", f"{_INTAKE_LIMIT_MIB:,.0f} MiB"),
        ],
        f"{sizes.rows:,} rows of ICCID and status, {size:.0f} MB.",
    )


def planning(sizes: Sizes) -> Table:
    """Plan for many devices against a fleet as large, then judge every one of them."""
    done = finish([PYTHON, "-m", "bench.programs.planning", str(sizes.planned)], within_s=_WITHIN_S)
    expect("verdicts", done.document["verdicts"], {"in_sync": sizes.planned})
    seconds, peak = done.document["seconds"], done.document["peak_mib"]
    names = {"plan": "plan", "digest": "its digest", "results": "results"}
    return Table(
        ("", "seconds", "peak memory of the process by then"),
        [
            ("inputs in memory", "", f"{peak['inputs']:,.0f} MiB"),
            *((told, f"{seconds[name]:.1f} s", f"{peak[name]:,.0f} MiB") for name, told in names.items()),
        ],
        f"{sizes.planned:,} devices against an inventory of {sizes.planned:,} pairs.",
    )


def _write(file: Path, rows: int) -> None:
    with file.open("w") as lines:
        lines.write("iccid,status\n")
        # Ten thousand apart leaves room for a tail: an ICCID that ends in zeros is refused as rounded.
        lines.writelines(f"{8_988_303_000_000_000_000 + number * 10_000 + 1234},activated\n" for number in range(rows))

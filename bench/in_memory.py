"""What needs no carrier: reading a file, planning, judging results."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.children import PYTHON, Finished, finish
from bench.expecting import expect
from bench.page import Table
from bench.sizes import Sizes

_WITHIN_S = 180.0


def intake(sizes: Sizes) -> Table:
    """Read a file of many devices, and one as long in which every row shares an id with the next."""
    apart, apart_mb = _read(_devices(sizes.rows))
    expect("what was read", apart.document["found"], {"devices": sizes.rows, "rejected": 0, "repeats": 0})
    tied, tied_mb = _read(_tied(sizes.rows))
    expect("what was read", tied.document["found"], {"devices": 1, "rejected": sizes.rows - 1, "repeats": 0})
    both = (apart, tied)
    return Table(
        ("", "devices apart", "allowed", "all tied together", "allowed"),
        [
            _beside("reading", [f"{each.document['seconds']:.1f} s" for each in both], ("10 s", "30 s")),
            _beside("the whole process", [f"{each.seconds:.1f} s" for each in both]),
            _beside("its processor time", [f"{each.busy_s:.1f} s" for each in both]),
            _beside("its peak memory", [f"{each.peak_mib:,.0f} MiB" for each in both], ("1,536 MiB", "3,072 MiB")),
        ],
        f"{sizes.rows:,} rows: of ICCID and status, {apart_mb:.0f} MB; of two ids and status, {tied_mb:.0f} MB.",
    )


def _beside(name: str, measured: Sequence[str], allowed: tuple[str, str] = ("", "")) -> tuple[str, ...]:
    return (name, measured[0], allowed[0], measured[1], allowed[1])


def _read(lines: Iterable[str]) -> tuple[Finished, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "devices.csv"
        with file.open("w") as out:
            out.writelines(lines)
        size = file.stat().st_size / 1e6
        return finish([PYTHON, "-m", "bench.programs.intake", str(file)], within_s=_WITHIN_S), size


def _devices(rows: int) -> Iterator[str]:
    yield "iccid,status\n"
    # Ten thousand apart leaves room for a tail: an ICCID that ends in zeros is refused as rounded.
    for number in range(rows):
        yield f"{8_988_303_000_000_000_000 + number * 10_000 + 1234},activated\n"


def _tied(rows: int) -> Iterator[str]:
    """Pairs that cross, so that all of them contradict each other, and one device by itself."""
    yield "sim_id,endpoint_id,status\n"
    for number in range(1, rows):
        yield f"{number // 2 + 1},{(number + 1) // 2 + 1},activated\n"
    yield f"{rows},{rows},activated\n"


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

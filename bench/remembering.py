"""What the ledger is asked of a large fleet and of years of runs."""

from bench.children import PYTHON, finish
from bench.expecting import expect
from bench.page import Table
from bench.sizes import Sizes

_WITHIN_S = 1_800.0
_ASKED = {
    "baseline": ("what was last sent to each device", ""),
    "steps": ("which steps changed something in the last day", ""),
    "trend": ("what the last audit counted", ""),
    "derived": ("the same as the first from all that is recorded, and compared, as `verify` does", ""),
    "prune": ("archiving and pruning the run of a tenth, while another writes", ""),
}


def remembering(sizes: Sizes) -> Table:
    """Ask a ledger that holds a run of all devices and many small ones."""
    command = [PYTHON, "-m", "bench.programs.remembering", str(sizes.planned), str(sizes.remembered)]
    done = finish(command, within_s=_WITHIN_S)
    moved = sizes.remembered + 1
    expect("what is known", done.document["known"], {"activated": sizes.planned - moved, "suspended": moved})
    expect("differences", done.document["differences"], 0)
    seconds, peak = done.document["seconds"], done.document["peak_mib"]
    rows = [
        (told, f"{seconds[name]:.2f} s", allowed, f"{peak[name]:,.0f} MiB") for name, (told, allowed) in _ASKED.items()
    ]
    rows.insert(1, ("its processor time", f"{done.document['busy_s']:.2f} s", "1 s", ""))
    waited = ("the longest that the other waited meanwhile", f"{done.document['longest_wait_s']:.2f} s", "", "")
    return Table(
        ("", "seconds", "allowed", "peak memory of the process by then"),
        [*rows, waited],
        f"SQLite; one run of {sizes.planned:,} devices, one of a tenth, then {sizes.remembered:,} runs of two. "
        f"Recording the first took {seconds['record']:.0f} s.",
    )

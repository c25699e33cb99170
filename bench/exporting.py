"""Writing a workbook of many devices."""

from bench.children import PYTHON, finish
from bench.expecting import expect
from bench.page import Table
from bench.sizes import Sizes

_WITHIN_S = 300.0


def exporting(sizes: Sizes) -> Table:
    """Write what became of so many devices as XLSX."""
    done = finish([PYTHON, "-m", "bench.programs.exporting", str(sizes.exported)], within_s=_WITHIN_S)
    told = done.document
    expect("rows in the workbook", told["rows"], sizes.exported)
    return Table(
        ("rows", "seconds", "processor", "rows a second", "memory before", "peak memory", "size"),
        [
            (
                f"{sizes.exported:,}",
                f"{told['seconds']:.1f} s",
                f"{told['busy_s']:.1f} s",
                f"{sizes.exported / told['seconds']:,.0f}",
                f"{told['before_mib']:,.0f} MiB",
                f"{told['peak_mib']:,.0f} MiB",
                f"{told['mb']:.1f} MB",
            )
        ],
        f"Devices of a report, {told['columns']} columns each. *Memory before* holds all rows already.",
    )

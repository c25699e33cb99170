"""Write a workbook of so many devices; prints seconds and memory as JSON."""

import json
import resource
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import polars as pl

from simtandem.reports.report_tables import DEVICES, Part
from simtandem.reports.workbook import write_workbook


def main(rows: int) -> None:
    """Make the devices, then measure the writing alone."""
    devices = _devices(rows)
    before = _peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.xlsx"
        begun, busy = time.perf_counter(), time.process_time()
        write_workbook([Part("devices", DEVICES, lambda: iter([devices]))], path)
        told = {
            "seconds": time.perf_counter() - begun,
            "busy_s": time.process_time() - busy,
            "before_mib": before,
            "peak_mib": _peak_mib(),
            "mb": path.stat().st_size / 1e6,
            "columns": len(DEVICES),
        }
        told["rows"] = _rows(path) - 1
    print(json.dumps(told))


def _devices(rows: int) -> pl.DataFrame:
    number = pl.int_range(rows, eager=True).alias("number").to_frame()
    texts = [pl.format("{} {}", pl.lit(name), pl.col("number") % 7).alias(name) for name in DEVICES]
    counts = [pl.col("number").alias(name) for name, kind in DEVICES.items() if kind.is_integer()]
    told = number.with_columns(texts).with_columns(counts)
    return told.with_columns(
        run_id=pl.lit("20260301T091502-4dab68"),
        sim_id=pl.col("number").cast(pl.String),
        iccid=(pl.col("number") + 8_988_303_000_000_000_000).cast(pl.String),
        reason=pl.format("SIM {}: an Issued SIM can't be suspended, and isn't charged as it is", "number"),
    ).select(pl.col(name).cast(kind) for name, kind in DEVICES.items())


def _rows(path: Path) -> int:
    with zipfile.ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").count(b"<row ")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))

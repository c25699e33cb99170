"""A report's account as files for spreadsheets and programs: CSV, Parquet, JSON. The workbook is in `workbook`."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from simtandem.host.atomic_file import replace_file
from simtandem.reports.report_tables import Part
from simtandem.reports.result_files import write_frames

_ROWS_AT_A_TIME = 50_000
_ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"


def write_csv(parts: Sequence[Part], folder: Path) -> None:
    """Write a folder of CSV files, one a table, as safe in a spreadsheet as the files of a run. Instants are in UTC."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        write_frames(part.frames(), part.schema, folder / f"{part.name}.csv")


def write_parquet(parts: Sequence[Part], folder: Path) -> None:
    """Write a folder of Parquet files, one a table, with the types of `account`."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as drafts:
            replace_file(folder / f"{part.name}.parquet", _pieces(_joined(part, Path(drafts))))


def _joined(part: Part, drafts: Path) -> Path:
    """A table as one Parquet file; its runs are written one by one and joined without all of them in memory."""
    files = [drafts / "0.parquet"]
    pl.DataFrame(schema=part.schema).write_parquet(files[0])
    for number, frame in enumerate(part.frames(), 1):
        files.append(drafts / f"{number}.parquet")
        frame.write_parquet(files[-1])
    whole = drafts / "whole.parquet"
    pl.scan_parquet(files).sink_parquet(whole)
    return whole


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")


def write_json(about: Mapping[str, object], parts: Sequence[Part], path: Path) -> None:
    """Write one JSON document: what `about` says, then each table as a list of objects. Instants are in UTC."""
    replace_file(path, (text.encode() for text in _json(about, parts)))


def _json(about: Mapping[str, object], parts: Sequence[Part]) -> Iterator[str]:
    """The document, some rows at a time."""
    yield json.dumps(dict(about), indent=1, ensure_ascii=False).removesuffix("\n}")
    for part in parts:
        yield f',\n "{part.name}": ['
        comma = "\n"
        for frame in part.frames():
            for rows in frame.iter_slices(_ROWS_AT_A_TIME):
                lines = rows.with_columns(pl.col(pl.Datetime).dt.strftime(_ISO)).write_ndjson().rstrip("\n")
                yield comma + lines.replace("\n", ",\n")
                comma = ",\n"
        yield "\n ]"
    yield "\n}\n"

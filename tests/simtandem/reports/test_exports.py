import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from simtandem.reports.exports import write_csv, write_json, write_parquet
from simtandem.reports.report_tables import Part

SCHEMA = pl.Schema(
    {
        "iccid": pl.String(),
        "word": pl.String(),
        "count": pl.Int64(),
        "seconds": pl.Float64(),
        "at": pl.Datetime("ms", "UTC"),
    }
)
WHEN = datetime(2026, 3, 1, 9, 15, 0, 250_000, tzinfo=UTC)
FIRST = pl.DataFrame(
    [("8988303000000000011", "=1+1", 7, 0.5, WHEN), (None, "", None, None, None)], SCHEMA, orient="row"
)
SECOND = pl.DataFrame([("8988303000000000029", 'two\n"lines"', -1, 1e-7, WHEN)], SCHEMA, orient="row")
FULL = Part("full", SCHEMA, lambda: iter([FIRST, SECOND]))
EMPTY = Part("empty", SCHEMA, lambda: iter([]))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_files_are_safe_in_a_spreadsheet(tmp_path: Path) -> None:
    write_csv([FULL], tmp_path / "out")
    one, nothing, other = read(tmp_path / "out" / "full.csv")
    assert one == {
        "iccid": "'8988303000000000011",
        "word": "'=1+1",
        "count": "7",
        "seconds": "0.5",
        "at": "2026-03-01 09:15:00.250",
    }
    assert set(nothing.values()) == {""}
    assert other["word"] == 'two\\n"lines"'
    assert other["count"] == "-1"


def test_csv_of_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    write_csv([EMPTY], tmp_path)
    assert (tmp_path / "empty.csv").read_bytes() == b"\xef\xbb\xbficcid,word,count,seconds,at\r\n"


def test_parquet_keeps_rows_order_and_types(tmp_path: Path) -> None:
    write_parquet([FULL, EMPTY], tmp_path / "out")
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "full.parquet"), pl.concat([FIRST, SECOND]))
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "empty.parquet"), FIRST.clear())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["empty.parquet", "full.parquet"]


def test_json_is_one_document(tmp_path: Path) -> None:
    write_json({"since": "2026-03-01", "nested": {"a": "}"}}, [FULL, EMPTY], tmp_path / "out.json")
    told = json.loads((tmp_path / "out.json").read_text())
    assert list(told) == ["since", "nested", "full", "empty"]
    assert told["nested"] == {"a": "}"}
    assert told["full"][0] == {
        "iccid": "8988303000000000011",
        "word": "=1+1",
        "count": 7,
        "seconds": 0.5,
        "at": "2026-03-01T09:15:00.250Z",
    }
    assert [row["word"] for row in told["full"]] == ["=1+1", "", 'two\n"lines"']
    assert told["empty"] == []

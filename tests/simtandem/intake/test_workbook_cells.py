"""What is read in a short way is what openpyxl reads."""

import io
import tracemalloc
from datetime import datetime

import openpyxl
import xlsxwriter

from simtandem.intake.workbook_cells import opened, rows

ODD = [
    ["iccid", None, "x005F_y", " kept ", "a\nb"],
    [8988303000000000011, 10000011.0, 1.5, -3, 0, 1e300, True, False],
    [],
    [datetime(2026, 1, 31), datetime(2026, 1, 31, 12, 30), "=A1+1", '="x"', "#N/A", ""],  # noqa: DTZ001 - Excel has no zones
    [None, None, "far"],
]


def both(data: bytes, *, values: bool) -> tuple[list[object], list[object]]:
    """What openpyxl says of every row, and what is read here."""
    theirs = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=values)
    sheet = theirs["SIMs"]
    sheet.reset_dimensions()
    told: list[object] = [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows()]
    mine = opened(data, values=values)
    found: list[object] = [list(row) for row in rows(mine, "SIMs")]
    theirs.close()
    mine.close()
    return told, found


def test_every_kind_of_cell_is_what_openpyxl_says_it_is() -> None:
    for options in ({}, {"constant_memory": True}):  # texts that are shared, and texts in their cells
        for values in (False, True):
            target = io.BytesIO()
            with xlsxwriter.Workbook(target, {"default_date_format": "yyyy-mm-dd", **options}) as book:
                sheet = book.add_worksheet("SIMs")
                for number, row in enumerate(ODD):
                    sheet.write_row(number + number // 2, 1, row)
                sheet.write_rich_string(9, 0, "plain ", book.add_format({"bold": True}), "bold")
            told, found = both(target.getvalue(), values=values)
            assert found == told
            assert ("plain bold", "s") in found[9]  # type: ignore[operator]


def test_a_long_sheet_is_read_row_by_row() -> None:
    """Neither time nor memory is that of an object for each text: shared texts are kept, and one row."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("SIMs")
        for number in range(3_000):
            sheet.write_row(number, 0, [f"8988303{number:012d}", "activated"])
    data = target.getvalue()
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows(opened(data, values=False), "SIMs")) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()

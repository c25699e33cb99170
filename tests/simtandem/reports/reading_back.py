"""Reads a workbook with nothing but the standard library, as strictly as a spreadsheet would."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(frozen=True)
class Cell:
    """A cell: `kind` is `inlineStr`, `b`, or `n` for a number."""

    kind: str
    text: str
    style: int


@dataclass(frozen=True)
class Sheet:
    """A sheet: its cells by row and column name, and what stays in view."""

    columns: list[str]
    rows: list[dict[str, Cell]]
    frozen_rows: int
    filtered: str
    formulas: int


def read_workbook(path: Path) -> dict[str, Sheet]:
    """Every sheet by its name, in order."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        links = {each.attrib["Id"]: each.attrib["Target"] for each in _xml(package.read("xl/_rels/workbook.xml.rels"))}
        types = _xml(package.read("[Content_Types].xml"))
        declared = {each.attrib["PartName"] for each in types if "PartName" in each.attrib}
        assert declared == {f"/xl/{target}" for target in links.values()} | {"/xl/workbook.xml"}
        book = _xml(package.read("xl/workbook.xml"))
        return {
            each.attrib["name"]: _sheet(package.read(f"xl/{links[each.attrib[_LINK]]}"))
            for each in book.iter(f"{_MAIN}sheet")
        }


def _xml(data: bytes) -> ET.Element:
    return ET.fromstring(data)  # noqa: S314 - a file this test has written


def _sheet(data: bytes) -> Sheet:
    root = _xml(data)
    pane = next(root.iter(f"{_MAIN}pane"))
    assert pane.attrib["state"] == "frozen"
    lines = [_line(row) for row in root.iter(f"{_MAIN}row")]
    header = {letters: cell.text for letters, cell in lines[0].items()}
    return Sheet(
        columns=list(header.values()),
        rows=[{header[letters]: cell for letters, cell in line.items()} for line in lines[1:]],
        frozen_rows=int(pane.attrib["ySplit"]),
        filtered=next(root.iter(f"{_MAIN}autoFilter")).attrib["ref"],
        formulas=len(list(root.iter(f"{_MAIN}f"))),
    )


def _line(row: ET.Element) -> dict[str, Cell]:
    cells = {}
    for cell in row:
        letters, number = re.fullmatch(r"([A-Z]+)([0-9]+)", cell.attrib["r"]).groups()  # type: ignore[union-attr]
        assert number == row.attrib["r"]
        text = "".join(each.text or "" for each in cell.iter() if each.tag in (f"{_MAIN}t", f"{_MAIN}v"))
        cells[letters] = Cell(cell.attrib.get("t", "n"), text, int(cell.attrib.get("s", 0)))
    return cells

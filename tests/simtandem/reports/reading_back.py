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
    """A cell: `kind` is `inlineStr`, `b`, or `n` for a number; `format` is how it is shown."""

    kind: str
    text: str
    format: str


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
        assert declared >= {f"/xl/{target}" for target in links.values()} | {"/xl/workbook.xml"}
        assert all(name[1:] in package.namelist() for name in declared)
        formats = _formats(package.read("xl/styles.xml"))
        book = _xml(package.read("xl/workbook.xml"))
        return {
            each.attrib["name"]: _sheet(package.read(f"xl/{links[each.attrib[_LINK]]}"), formats)
            for each in book.iter(f"{_MAIN}sheet")
        }


def _xml(data: bytes) -> ET.Element:
    return ET.fromstring(data)  # noqa: S314 - a file this test has written


def _formats(data: bytes) -> list[str]:
    """The format of each style, in order."""
    root = _xml(data)
    own = {each.attrib["numFmtId"]: each.attrib["formatCode"] for each in root.iter(f"{_MAIN}numFmt")}
    known = {"0": "General", "49": "@", **own}
    styles = root.find(f"{_MAIN}cellXfs")
    assert styles is not None
    return [known[each.attrib["numFmtId"]] for each in styles]


def _sheet(data: bytes, formats: list[str]) -> Sheet:
    root = _xml(data)
    pane = next(root.iter(f"{_MAIN}pane"))
    assert pane.attrib["state"] == "frozen"
    lines = [_line(row, formats) for row in root.iter(f"{_MAIN}row")]
    header = {letters: cell.text for letters, cell in lines[0].items()}
    return Sheet(
        columns=list(header.values()),
        rows=[{header[letters]: cell for letters, cell in line.items()} for line in lines[1:]],
        frozen_rows=int(pane.attrib["ySplit"]),
        filtered=next(root.iter(f"{_MAIN}autoFilter")).attrib["ref"],
        formulas=len(list(root.iter(f"{_MAIN}f"))),
    )


def _line(row: ET.Element, formats: list[str]) -> dict[str, Cell]:
    cells = {}
    for cell in row:
        letters, number = re.fullmatch(r"([A-Z]+)([0-9]+)", cell.attrib["r"]).groups()  # type: ignore[union-attr]
        assert number == row.attrib["r"]
        text = "".join(each.text or "" for each in cell.iter() if each.tag in (f"{_MAIN}t", f"{_MAIN}v"))
        cells[letters] = Cell(cell.attrib.get("t", "n"), text, formats[int(cell.attrib.get("s", 0))])
    return cells

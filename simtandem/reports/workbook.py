"""A workbook (XLSX) of typed tables: a sheet each, headers that stay in view, a filter, and nothing that could run.

Text is written as text, never as a number, a link or a formula, whatever it begins with. Rows are turned into XML by
polars and go straight into the file, so that a hundred thousand of them take seconds and little memory; libraries that
make a Python object of every cell take ten times as long.
"""

import itertools
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import IO
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from simtandem.host.atomic_file import replace_file
from simtandem.reports.report_tables import Part
from simtandem.reports.spreadsheet_cells import sheet_text

ROWS_OF_A_SHEET = 1_048_575
"""A spreadsheet has no more, under the header; a longer table goes on in a sheet of its own."""

_ROWS_AT_A_TIME = 20_000
_LONGEST = 32_767  # characters a cell can hold
_NOT_IN_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
_EXCEL_CODE = r"_x([0-9A-Fa-f]{4})_"  # what Excel would read as one character
_PLAIN, _HEADER, _TEXT, _MOMENT, _NUMBER = range(5)  # places in the styles below
_WIDTHS = {
    "reason": 60,
    "error": 40,
    "parameters": 40,
    "detail": 60,
    "file": 28,
    "path": 28,
    "sha256": 24,
    "run_id": 24,
}
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}">
<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/><numFmt numFmtId="165" \
formatCode="0.0##"/></numFmts>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font>\
</fonts>
<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill>\
<patternFill patternType="solid"><fgColor rgb="FFE9EBEE"/><bgColor indexed="64"/></patternFill></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>\
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>\
<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>\
<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>"""


@dataclass
class _Sheet:
    """A sheet on its way into the file."""

    name: str
    columns: Sequence[str]
    rows: int = field(default=0)

    @property
    def area(self) -> str:
        """The cells from the header's first to the last row's last."""
        return f"$A$1:${_letters(len(self.columns) - 1)}${self.rows + 1}"


def write_workbook(parts: Sequence[Part], path: Path, *, rows_of_a_sheet: int = ROWS_OF_A_SHEET) -> None:
    """Write the tables as sheets of their names, all or nothing; a `LedgerError` names the file if that fails."""
    with tempfile.TemporaryFile() as draft:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as package:
            places = itertools.count(1)
            sheets = [sheet for part in parts for sheet in _write_part(package, part, places, rows_of_a_sheet)]
            _write_frame(package, sheets)
        draft.seek(0)
        replace_file(path, iter(lambda: draft.read(1 << 20), b""))


def _write_part(package: zipfile.ZipFile, part: Part, places: Iterator[int], most: int) -> Iterator[_Sheet]:
    """Write one table, in as many sheets as it takes."""
    frames = (slice_ for frame in part.frames() for slice_ in frame.iter_slices(_ROWS_AT_A_TIME))
    rest: pl.DataFrame | None = next(frames, None)
    number = 1
    while True:
        sheet = _Sheet(part.name if number == 1 else f"{part.name} {number}", part.schema.names())
        with package.open(f"xl/worksheets/sheet{next(places)}.xml", "w") as file:
            file.write(_head(part.schema).encode())
            while rest is not None and sheet.rows < most:
                fitting = rest.head(most - sheet.rows)
                _write_rows(file, fitting, sheet.rows + 2)
                sheet.rows += fitting.height
                left = rest.slice(fitting.height)
                rest = left if left.height else next(frames, None)
            file.write(_tail(sheet).encode())
        yield sheet
        number += 1
        if rest is None:
            return


def _head(schema: pl.Schema) -> str:
    """Everything of a sheet above its rows: the frozen header, the widths, the header itself."""
    columns = "".join(
        f'<col min="{at}" max="{at}" width="{_width(name, kind)}" style="{_style(kind)}" customWidth="1"/>'
        for at, (name, kind) in enumerate(schema.items(), 1)
    )
    cells = "".join(
        f'<c r="{_letters(at)}1" s="{_HEADER}" t="inlineStr"><is><t>{escape(name)}</t></is></c>'
        for at, name in enumerate(schema)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/><cols>{columns}</cols><sheetData><row r="1">{cells}</row>'
    )


def _tail(sheet: _Sheet) -> str:
    area = sheet.area.replace("$", "")
    return (
        f'</sheetData><autoFilter ref="{area}"/>'
        '<pageMargins left="0.5" right="0.5" top="0.5" bottom="0.5" header="0.3" footer="0.3"/>'
        f'<ignoredErrors><ignoredError sqref="{area}" numberStoredAsText="1"/></ignoredErrors></worksheet>'
    )


def _write_rows(file: IO[bytes], rows: pl.DataFrame, first: int) -> None:
    number = pl.int_range(first, first + pl.len()).cast(pl.String)
    cells = [_cell(name, kind, _letters(at)) for at, (name, kind) in enumerate(rows.schema.items())]
    line = pl.concat_str(pl.lit('<row r="'), "__row", pl.lit('">'), *cells, pl.lit("</row>"))
    lines = rows.with_columns(__row=number).select(line.alias("line"))["line"]
    file.write("".join(lines).encode())


def _cell(name: str, kind: pl.DataType, letters: str) -> pl.Expr:
    """The cell of a column as XML; nothing where there is nothing."""
    value = pl.col(name)
    if kind == pl.String:
        text = _escaped(sheet_text(value))
        cell = _tagged(letters, f's="{_TEXT}" t="inlineStr"><is><t xml:space="preserve">', text, "</t></is>")
        return pl.when(value.is_not_null() & (value != "")).then(cell).otherwise(pl.lit(""))
    if isinstance(kind, pl.Datetime):
        days = (value.dt.epoch("ms") / 86_400_000 + 25_569).round(9)  # days since the spreadsheet's first
        cell = _tagged(letters, f's="{_MOMENT}"><v>', days.cast(pl.String), "</v>")
    elif kind == pl.Boolean:
        cell = _tagged(letters, 't="b"><v>', value.cast(pl.Int8).cast(pl.String), "</v>")
    else:
        style = _NUMBER if kind.is_float() else _PLAIN
        cell = _tagged(letters, f's="{style}"><v>', value.cast(pl.String), "</v>")
    return pl.when(value.is_not_null()).then(cell).otherwise(pl.lit(""))


def _tagged(letters: str, opening: str, content: pl.Expr, closing: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f'<c r="{letters}'), "__row", pl.lit(f'" {opening}'), content, pl.lit(f"{closing}</c>"))


def _escaped(text: pl.Expr) -> pl.Expr:
    """Text as it may stand in XML and means itself to a spreadsheet; what a cell can't hold is cut off, visibly."""
    cut = pl.when(text.str.len_chars() > _LONGEST).then(text.str.slice(0, _LONGEST - 1) + "…").otherwise(text)
    return (
        cut.str.replace_all(_NOT_IN_XML, "\ufffd")
        .str.replace_all(_EXCEL_CODE, "_x005F_x${1}_")
        .str.replace_all("&", "&amp;", literal=True)
        .str.replace_all("<", "&lt;", literal=True)
        .str.replace_all(">", "&gt;", literal=True)
        .str.replace_all("\r", "&#13;", literal=True)
    )


def _write_frame(package: zipfile.ZipFile, sheets: Sequence[_Sheet]) -> None:
    """The parts of the file that hold the sheets together."""
    numbered = list(enumerate(sheets, 1))
    listed = "".join(f'<sheet name={quoteattr(s.name)} sheetId="{n}" r:id="rId{n}"/>' for n, s in numbered)
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{n - 1}" hidden="1">'
        f"'{s.name}'!{s.area}</definedName>"
        for n, s in numbered
    )
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n, _ in numbered
    )
    package.writestr(
        "xl/workbook.xml",
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{listed}</sheets>'
        f"<definedNames>{filters}</definedNames></workbook>",
    )
    package.writestr(
        "xl/_rels/workbook.xml.rels",
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{links}<Relationship Id="rId{len(sheets) + 1}" '
        f'Type="{_LINKS}/styles" Target="styles.xml"/></Relationships>',
    )
    package.writestr("xl/styles.xml", _STYLES)
    package.writestr(
        "_rels/.rels",
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" Type="{_LINKS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
    )
    package.writestr(
        "[Content_Types].xml",
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{types}</Types>',
    )


def _letters(at: int) -> str:
    """The name of a column, counted from 0."""
    return ("" if at < 26 else _letters(at // 26 - 1)) + ascii_uppercase[at % 26]


def _style(kind: pl.DataType) -> int:
    if kind == pl.String:
        return _TEXT
    return _MOMENT if isinstance(kind, pl.Datetime) else _NUMBER if kind.is_float() else _PLAIN


def _width(name: str, kind: pl.DataType) -> int:
    if name in _WIDTHS:
        return _WIDTHS[name]
    return (
        24 if isinstance(kind, pl.Datetime) else max(len(name) + 4, 21 if name in ("iccid", "before", "after") else 12)
    )

"""The page of results, `bench/README.md`: each table stands between two markers and is replaced as a whole."""

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simtandem import __version__

PAGE = Path(__file__).with_name("README.md")


@dataclass(frozen=True, slots=True)
class Table:
    """What one measurement found. `notes` say what the numbers mean, and from what each floor was worked out."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: str


def render(name: str, table: Table, seconds: float, load: float) -> str:
    """Markdown: how, when and on what it was made, how busy that was at the beginning, the table, its notes."""
    made = f"{datetime.now(UTC):%Y-%m-%d} · {_machine()}, load {load:.1f} before · took {seconds:.0f} s"
    lines = [
        f"`.venv/bin/python -m bench {name}` · {made}",
        "",
        _line(table.header),
        _line(("---",) + ("---:",) * (len(table.header) - 1)),
        *(_line(row) for row in table.rows),
        "",
        table.notes,
    ]
    return "\n".join(lines)


def replace(name: str, text: str) -> None:
    """Put the text between the page's markers of that name. Raises ValueError where they are missing."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    between = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
    if not between.search(page):
        raise ValueError(f"{PAGE.name} has no place for {name}: {begin} ... {end}")
    partial = PAGE.with_suffix(".partial")
    partial.write_text(between.sub(lambda _: f"\n{text}\n\n", page), encoding="utf-8")
    partial.replace(PAGE)


def spread(values: list[float]) -> str:
    """Median, and the least and the greatest in brackets, in seconds."""
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return f"{middle:.1f} s ({ordered[0]:.1f}-{ordered[-1]:.1f})"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GiB RAM, Python {platform.python_version()}, simtandem {__version__}"

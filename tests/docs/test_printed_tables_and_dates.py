"""What a page prints stays as it was meant: rows stand in a table, and a list to copy is valid on any day."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_modules import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
DAY = re.compile(r"20\d\d-\d\d-\d\d")


def headless_rows(text: str) -> Iterator[str]:
    """The first row of each table that has no header, which is shown as plain text."""
    lines = ["", *BLOCK.sub("", text).splitlines(), ""]
    for above, row, below in zip(lines, lines[1:], lines[2:], strict=False):
        if row.startswith("|") and not above.startswith("|") and not re.match(r"\|[-:| ]+\|$", below):
            yield row


def fixed_moments(text: str) -> list[str]:
    """The days that a list or command for a schedule names: a row more than seven days late is invalid."""
    blocks = [each for each in BLOCK.findall(text) if "effective_at" in each or "--at " in each]
    return [day for each in blocks for day in DAY.findall(each)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_row_stands_in_a_table(page: Path) -> None:
    assert [*headless_rows(page.read_text())] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_list_that_says_when_is_valid_on_any_day(page: Path) -> None:
    assert fixed_moments(page.read_text()) == []


def test_a_broken_table_and_a_day_that_passes_are_found() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert [*headless_rows(table)] == []
    assert [*headless_rows(f"{table}\n```csv\nx\n```\n\n| 3 | 4 |\n| 5 | 6 |\n")] == ["| 3 | 4 |"]
    assert fixed_moments("```\nsim_id,effective_at\n1,2026-04-01\n```\n") == ["2026-04-01"]
    assert fixed_moments("`2026-04-01`\n```\nsimtandem prune --before 2026-04-01\n```\n") == []

"""The pages that are written from the program say what it says today; the other pages name what exists."""

import re
import runpy
from pathlib import Path

import pytest

from tests.source_modules import ROOT

generator = runpy.run_path(str(ROOT / "docs/generate.py"))
WHERE = ROOT / "docs/where-to-change.md"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def generated() -> dict[Path, str]:
    pages: dict[Path, str] = generator["pages"]()
    return pages


def test_generated_pages_are_current() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in generated().items() if path.read_text("utf-8") != text]
    assert stale == [], "run docs/generate.py"


def test_a_page_that_was_edited_by_hand_is_stale(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- x: written by docs/generate.py -->\nedited\n<!-- end of x -->\nAfter\n")
    assert generator["renewed"](page, "x", "| a |\n") == (
        "Before\n<!-- x: written by docs/generate.py -->\n\n| a |\n\n<!-- end of x -->\nAfter\n"
    )


def changes() -> list[tuple[str, list[str]]]:
    rows = re.findall(r"^\| (?!to change|---)([^|]+) \| ([^|]+) \|$", WHERE.read_text("utf-8"), re.MULTILINE)
    return [(change, re.findall(r"`([^`]+)`", files)) for change, files in rows]


def test_twenty_everyday_changes_have_an_answer_of_two_files_at_most() -> None:
    assert len(changes()) >= 20
    assert [change for change, files in changes() if not 1 <= len(files) <= 2] == []


@pytest.mark.parametrize("path", sorted({file for _, files in changes() for file in files}))
def test_a_file_to_change_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_path_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:simtandem|schemas|tasks|flows|tests|docs|bench|data)/[\w./-]+)`", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []

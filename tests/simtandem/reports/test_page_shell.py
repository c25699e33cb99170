from pathlib import Path

import pytest
from jinja2 import UndefinedError

from simtandem.errors import LedgerError
from simtandem.reports import page_shell


def test_a_name_that_is_missing_is_an_error_and_no_gap_in_the_page() -> None:
    with pytest.raises(UndefinedError):
        page_shell.render("period.html.j2", since="2026-03-01")


def test_a_page_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    page_shell.write(path, "<!doctype html>é")

    assert path.read_text(encoding="utf-8") == "<!doctype html>é"


def test_a_page_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"report\.html can't be written"):
        page_shell.write(tmp_path / "gone" / "report.html", "")

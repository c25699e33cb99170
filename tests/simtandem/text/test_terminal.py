"""What is printed, on a terminal and elsewhere."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from simtandem.text.terminal import Terminal, messages, results


def table() -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0))
    made.add_column("run")
    made.add_column("state")
    made.add_row("1", "finished")
    made.add_row(Text("2"), "ok")
    return made


def test_lines_of_a_table_have_no_spaces_at_their_end_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    results().print(table())
    messages().print(table())
    shown = capsys.readouterr()
    assert shown.out == shown.err == "run  state\n1    finished\n2    ok\n"


def test_what_a_question_ends_with_stays(capsys: pytest.CaptureFixture[str]) -> None:
    results().print("Apply? ", end="")
    assert capsys.readouterr().out == "Apply? "


def test_on_a_terminal_columns_are_filled_up() -> None:
    file = io.StringIO()
    Terminal(file=file, force_terminal=True, width=80, color_system=None).print(table())
    assert "2    ok        \n" in file.getvalue()

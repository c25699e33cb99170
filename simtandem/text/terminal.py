"""The only module that prints: to a terminal, a pipe or a file.

Other modules take a `Terminal` from here, or print a document with `print_json`: tests/test_architecture_output.py
checks it. What is printed is plain text: no markup, no escape sequence, no secret.
"""

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from simtandem.text.escaping import terminal
from simtandem.text.redaction import redacted_data

_UNFOLDED = 240
_FILLING = re.compile(r"(?<! ) +(?=\n)")


class Terminal(Console):
    """A console that shows control and invisible characters as escapes. Styles come from `Text` alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **settings})

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich prints, after escaping, so that the layout fits what is shown.

        Elsewhere than on a terminal no line ends with the spaces that fill up a table's last column.
        """
        if self.is_terminal:
            super().print(*map(_escaped, objects), **how)
            return
        with self.capture() as printed:
            super().print(*map(_escaped, objects), **how)
        self.file.write(_FILLING.sub("", printed.get()))
        self.file.flush()

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything, tables and progress bars included; rich's own control codes stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else terminal(text), style, control)


def _escaped(printed: Any) -> Any:
    if isinstance(printed, str):
        return terminal(printed)
    if isinstance(printed, Text) and (plain := terminal(printed.plain)) != printed.plain:
        return Text(plain, style=printed.style)
    return printed


def results() -> Terminal:
    """Stdout, as wide as the terminal; elsewhere wide enough that no line is folded."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=_UNFOLDED)


def messages() -> Terminal:
    """Stderr: progress, notes, questions, errors."""
    return Terminal(stderr=True)


def print_line(text: str) -> None:
    """One line on stdout, however long: it is not folded, and holds no character that controls a terminal."""
    print(terminal(text))


def print_record(line: str) -> None:
    """One log record on stderr, as it is."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: object, *, indent: int | None = 2) -> None:
    """One JSON document on stdout, in ASCII: it holds no character that controls a terminal."""
    text = json.dumps(redacted_data(document), indent=indent)
    print(text.replace("\x7f", "\\u007f"))

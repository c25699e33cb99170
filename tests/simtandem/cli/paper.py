"""A console that prints to memory."""

import io

from rich.console import Console


def paper(*, terminal: bool = False, width: int = 120) -> tuple[Console, io.StringIO]:
    """A console, and what was printed to it."""
    printed = io.StringIO()
    return Console(file=printed, width=width, force_terminal=terminal, color_system=None), printed

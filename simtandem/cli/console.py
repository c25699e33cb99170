"""What a command prints: its result on stdout, its progress, notes and questions on stderr."""

import logging
from dataclasses import dataclass

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler

from simtandem.cli.progress_bars import LoggedProgress, QuietProgress, TerminalProgress
from simtandem.text import json_logs
from simtandem.text.terminal import messages, results


@dataclass(frozen=True, slots=True)
class Output:
    """The options --json, --quiet and --verbose of a command. Results go to `out`, the rest to `err`."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def out(self) -> Console:
        """For results."""
        return results()

    @property
    def err(self) -> Console:
        """For progress, notes and questions."""
        return messages()

    def hooks(self) -> TerminalProgress | LoggedProgress | QuietProgress:
        """What shows the progress of the command."""
        if self.quiet:
            return QuietProgress()
        return LoggedProgress() if json_logs.wanted() else TerminalProgress(self.err)

    def log(self) -> None:
        """Send simtandem's log to stderr: errors, with --verbose everything. As JSON it has the progress as well."""
        logger = logging.getLogger("simtandem")
        for earlier in [each for each in logger.handlers if isinstance(each, RichHandler)]:
            logger.removeHandler(earlier)  # of a command before this one, as in the demo
        if json_logs.wanted():
            json_logs.attach(logging.WARNING if self.quiet else logging.DEBUG if self.verbose else logging.INFO)
            return
        handler = RichHandler(console=self.err, show_path=False, markup=False, highlighter=NullHighlighter())
        handler.setLevel(logging.INFO if self.verbose else logging.ERROR)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)

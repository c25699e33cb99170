"""The arguments and the three standard streams of a process."""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from simtandem.errors import InputError
from simtandem.text import json_logs
from simtandem.text.terminal import messages, print_json, print_record, results

_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def open_streams() -> None:
    """Open stdin, stdout and stderr where they are closed, and let them take any text.

    Where one was closed, the next file that is opened would get its number: what is said would go into the ledger, and
    /dev/stdin would be that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def require_text(arguments: Sequence[str]) -> None:
    """Raise `InputError` for an argument that is not UTF-8, unless a file has that name: its name may be any."""
    for argument in arguments:
        if not _is_text(argument) and not Path(argument).exists():
            shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
            raise InputError(f"The argument {shown} is not UTF-8 text, and no file has that name. Nothing was sent.")


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_of_output(error: OSError) -> bool:
    """Whether this may be of what was printed: a file that can't be written is named, a stream is not."""
    return error.errno in _NOT_WRITTEN and error.filename is None


def drop_output() -> None:
    """The reader of stdout has ended: discard what is still to be written there, without a second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def leave_terminal() -> None:
    """The terminal is gone: discard what would be written to it. Files and pipes are still written to."""
    for number in (1, 2):
        if os.isatty(number):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def say(text: str) -> None:
    """A result on stdout."""
    results().print(text)


def note(sentence: str) -> None:
    """A warning on stderr, in a line that stands out."""
    if json_logs.wanted():
        print_record(json_logs.line("warning", "simtandem", sentence))
    else:
        messages().print(f"! {sentence}", style="yellow", markup=False, soft_wrap=True)


def _print_or_drop(document: object) -> None:
    try:
        print_json(document, indent=None)
        sys.stdout.flush()
    except OSError:  # where a document can't be written, its message is on stderr
        drop_output()


def complain(kind: str, message: str, code: int, *, on_stdout: bool = True) -> int:
    """Print an error on stderr, with --json also as the document `on_stdout`. Returns `code`."""
    if json_logs.wanted():
        print_record(json_logs.line("error", "simtandem", message, error=kind, exit_code=code))
    else:
        console = messages()
        console.print(Text.assemble((kind, "bold red"), ": "), end="")
        console.print(message, markup=False, soft_wrap=True)
    if on_stdout and "--json" in sys.argv:
        _print_or_drop({"exit_code": code, "error": kind, "message": message})
    return code


def unexpected(error: Exception) -> int:
    """Print an error that no rule covers. With --verbose it is raised."""
    if {"-v", "--verbose"} & set(sys.argv):
        raise error
    what = f"{type(error).__name__}: {error}\nRun again with --verbose to see where."
    return complain("Unexpected", what, 1)


def unwritten(error: OSError) -> int:
    """Print that stdout can't be written to. The run itself is recorded as always."""
    drop_output()
    what = (
        f"The output can't be written ({error.strerror}). What was sent is recorded: `simtandem runs` lists the runs, "
        "`simtandem report latest` writes the report of the latest one."
    )
    return complain("Output", what, 1)

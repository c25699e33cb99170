"""The commands that repeat a run, continue it, or compare what it asked for."""

import shlex
from collections.abc import Mapping

from schemas.parameters import Wish
from simtandem.ledger.records import REPORTED, RunKind, RunRecord


def again(record: RunRecord) -> str:
    """A line that says which command to run, to put behind a sentence about a run."""
    command = command_of(record)
    if command is None:
        return "\nStart it again where it was started: it was not a command with a file."
    return f"\n{'To carry it out' if record.kind is RunKind.PLAN else 'Run the same again'}: {command}"


def command_of(record: RunRecord) -> str | None:
    """The command line that a run can be repeated with; None where its devices were pasted into a form."""
    asked = record.parameters
    if record.kind is RunKind.AUDIT:
        return "simtandem audit"
    if record.kind is RunKind.EVENTS:
        return _line("report", [str(asked["of"]), "--events"])
    options = ["--change-owners"] if asked.get("change_owners") else []
    if asked.get("undo_of"):
        return _line("undo", [str(asked["undo_of"]), "--yes", *options])
    if asked.get("retry_of"):
        return _line("retry", [str(asked["retry_of"]), *options])
    return _of_file(record, asked, options)


def continuing(record: RunRecord, *, planned: bool) -> str | None:
    """The command that continues from where a run ended: a retry where it had `planned`, else what repeats the run."""
    if planned and record.kind in REPORTED:
        options = ["--change-owners"] if record.parameters.get("change_owners") else []
        return _line("retry", [record.run_id, *options])
    return command_of(record)


def comparing(record: RunRecord, files: Mapping[str, str]) -> str:
    """The command that compares what a run asked for with the carrier; empty where its list is in no file here.

    `files` are those the run left. An undo is compared by the file of what goes back.
    """
    asked = record.parameters
    if asked.get("undo_of"):
        return _line("reconcile", [files["undo"]]) if "undo" in files else ""
    arguments = _list(asked)
    return _line("reconcile", arguments) if arguments else ""


def _list(asked: Mapping[str, object]) -> list[str]:
    """The file of a run, and the status for its rows, as a command wants them; nothing where it is no file here."""
    file, to = str(asked.get("file", "")), asked.get("to")
    if "\n" in file or "://" in file or not file:
        return []
    return [file, *(["--to", str(to)] if to and to != Wish.AS_IN_FILE else [])]


def _of_file(record: RunRecord, asked: Mapping[str, object], options: list[str]) -> str | None:
    arguments = _list(asked)
    verb = "reconcile" if record.kind is RunKind.RECONCILE else "apply"
    return _line(verb, [*arguments, *options]) if arguments else None


def _line(verb: str, arguments: list[str]) -> str:
    return f"simtandem {verb} {shlex.join(arguments)}"

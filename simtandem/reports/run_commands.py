"""The commands that repeat a run, continue it, or compare what it asked for."""

from collections.abc import Mapping

from schemas.accounts import DEFAULT
from schemas.parameters import Wish
from schemas.sim_actions import SimAction
from simtandem.ledger.records import REPORTED, RunKind, RunRecord
from simtandem.reports.batch_codes import as_arguments
from simtandem.text.shell_line import shell_line


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
        return in_account("simtandem audit", record.account)
    if record.kind is RunKind.EVENTS:
        return _line("report", [str(asked["of"]), "--events"])
    if "action" in asked and not asked.get("undo_of"):
        return _of_actions(asked, record.account)
    options = [*(["--change-owners"] if asked.get("change_owners") else []), *wave_options(asked)]
    if asked.get("undo_of"):
        options += ["--issued-to", str(asked["issued_to"])] if asked.get("issued_to") else []
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


def wave_options(asked: Mapping[str, object]) -> list[str]:
    """The options of the command line for the waves that these parameters of a run ask for."""
    named = {"waves": "--waves", "wave_limit": "--wave-limit", "wave_check": "--wave-check", "wave_wait": "--wave-wait"}
    without = {"", "none", "10m", "None"}
    options = [[option, str(asked.get(name))] for name, option in named.items()]
    told = [part for option in options if option[1] not in without for part in option]
    return [*told, *(["--wave-approval"] if asked.get("wave_approval") else [])]


def comparing(record: RunRecord, files: Mapping[str, str]) -> str:
    """The command that compares what a run asked for with the carrier; empty where its list is in no file here.

    `files` are those the run left. An undo is compared by the file of what goes back,
    a run that selected its devices by the list of those; actions ask for no status.
    """
    asked = record.parameters
    if record.kind is RunKind.ACTION:
        return ""
    for made, asks in (("undo", "undo_of"), ("selected", "where")):
        if asked.get(asks):
            return _line("reconcile", [files[made]], record.account) if made in files else ""
    arguments = _list(asked)
    return _line("reconcile", arguments, record.account) if arguments else ""


def _list(asked: Mapping[str, object]) -> list[str]:
    """The files of a run, what it selects by, and its status, as a command wants them; nothing for no file here."""
    files, where, to = files_of(asked), str(asked.get("where") or ""), asked.get("to")
    if any("\n" in file or "://" in file for file in files) or not (files or where):
        return []
    return [
        *files,
        *sheet_options(asked),
        *(["--where", where] if where else []),
        *(["--to", str(to)] if to and to != Wish.AS_IN_FILE else []),
    ]


def sheet_options(asked: Mapping[str, object]) -> list[str]:
    """The options of the command line for the sheets that these parameters of a run name."""
    return [part for sheet in str(asked.get("sheet") or "").splitlines() for part in ("--sheet", sheet)]


def files_of(asked: Mapping[str, object]) -> list[str]:
    """The files that the parameters of a run name: none, one, or several that are one list."""
    more = asked.get("more_files")
    found = [str(asked.get("file", "")), *(map(str, more) if isinstance(more, list | tuple) else ())]
    return [file for file in found if file]


def _of_file(record: RunRecord, asked: Mapping[str, object], options: list[str]) -> str | None:
    arguments = _list(asked)
    verb = "reconcile" if record.kind is RunKind.RECONCILE else "apply"
    return _line(verb, [*arguments, *options], record.account) if arguments else None


def _of_actions(asked: Mapping[str, object], account: str) -> str:
    files, do = files_of(asked), str(asked["action"])
    typed = as_arguments(files[0])
    if typed:
        return _line("register-batch", typed, account)
    return action_command([*files, *sheet_options(asked)], account, do if do in [*SimAction] else "")


def action_command(files: list[str], account: str, do: str = "") -> str:
    """The command that sends the SIM actions of a list: of these files, and of the sheets named behind them."""
    return _line("action", [*files, *(["--do", do] if do else [])], account)


def in_account(command: str, account: str) -> str:
    """A command that names no run, for this account. What is in no settings file has no name, and needs none."""
    return command if account in ("", DEFAULT) else f"{command} --account {shell_line([account])}"


def _line(verb: str, arguments: list[str], account: str = DEFAULT) -> str:
    return in_account(f"simtandem {verb} {shell_line(arguments)}", account)

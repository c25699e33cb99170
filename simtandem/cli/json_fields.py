"""`--json FIELDS`: of each line of a document, only the fields that are named, as gh prints them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import typer

from simtandem.errors import InputError

FIELDS = {
    "runs": (
        *("run_id", "started", "account", "kind", "state", "file", "rows", "in_sync", "exit_code", "ledger_head"),
    ),
    "show": (
        *("at", "account", "run_id", "kind", "file", "row", "sim_id", "endpoint_id", "iccid"),
        *("half", "desired", "before", "after", "verdict", "cause", "reason", "action"),
        *("finding", "audits", "last_audit"),
    ),
}
"""The fields of a line, by command, in the order of its document."""

JsonFields = Annotated[
    str,
    typer.Option(
        "--fields",
        metavar="FIELDS",
        help="With --json: only these fields, a comma between. --json FIELDS does the same.",
        show_default=False,
    ),
]


def spelled_out(args: Sequence[str], command: str, *, takes_arguments: bool) -> list[str]:
    """`--json a,b` as `--json --fields a,b`. What names no field of the command is left where it takes arguments."""
    told: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option != "--json":
            told.append(word)
        elif equals:
            told += ["--json", "--fields", value]
        elif rest and _names_fields(rest[0], command, takes_arguments=takes_arguments):
            told += ["--json", "--fields", rest.pop(0)]
        else:
            told.append(word)
    return told


def _names_fields(word: str, command: str, *, takes_arguments: bool) -> bool:
    if word.startswith("-"):
        return False
    return not takes_arguments or {*_split(word)} <= {*FIELDS[command]}


def _split(fields: str) -> list[str]:
    return [name.strip() for name in fields.split(",") if name.strip()]


def chosen(lines: Iterable[Mapping[str, object]], fields: str, command: str) -> list[dict[str, object]]:
    """The lines with these fields, in this order. Raises `InputError` naming those there are."""
    names = _split(fields)
    if unknown := [name for name in names if name not in FIELDS[command]]:
        raise InputError(f"--json {fields}: there is no field {unknown[0]}. There are {', '.join(FIELDS[command])}.")
    return [{name: line[name] for name in names} for line in lines]

"""`simtandem doctor`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from simtandem.cli.options import AsJson
from simtandem.cli.stored_files import accept_store
from simtandem.prefect_server.reach import prefect_reached
from simtandem.runs.setup_checks import checks
from simtandem.settings import chosen_account
from simtandem.text.terminal import print_json, results


def doctor(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Call no carrier.")] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-store",
            help="Make no checks. Ask whether the place in SIMTANDEM_STORE is the ledger's store from now on.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, disk, ledger, Prefect, clocks and versions, and log in to each account once. Changes nothing."""
    raise typer.Exit(accept_store(as_json=as_json) if accept else show_checks(offline=offline, as_json=as_json))


_OK = ("ok     ", "green")


def show_checks(*, offline: bool, as_json: bool) -> int:
    """Print each check as it is made. Returns the exit code: 0, or 1 where something is to be done."""
    made = []
    for each in checks(chosen_account(), offline=offline, prefect=prefect_reached):
        made.append(each)
        if not as_json:
            mark = ("to do  ", "bold yellow") if each.remedy else ("?      ", "yellow") if each.unchecked else _OK
            results().print(Text.assemble(mark, (f"{each.what}: ", "bold"), each.found), soft_wrap=True)
            for line in each.remedy.splitlines():
                results().print(Text(f"         {line}"), soft_wrap=True)
    exit_code = 1 if any(each.remedy for each in made) else 0
    if as_json:
        print_json({"exit_code": exit_code, "checks": [asdict(each) for each in made]})
    return exit_code

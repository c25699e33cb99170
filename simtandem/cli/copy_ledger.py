"""`simtandem copy-ledger`: from a file to a database that several hosts share."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from simtandem.cli.heads import kept_heads
from simtandem.cli.options import AsJson
from simtandem.errors import InputError
from simtandem.ledger.ledger_copy import copy_ledger as copied
from simtandem.ledger.store import Ledger
from simtandem.settings import load_home
from simtandem.text.terminal import print_json, results


class CopiedLedger(TypedDict):
    """What was copied from where to where, as `simtandem copy-ledger --json` prints it."""

    source: str
    target: str
    runs: int
    rows: int


def copy_ledger(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="The ledger to copy, a SQLite file.", show_default="ledger.sqlite of the home"
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the ledger in FILE into the empty database that SIMTANDEM_LEDGER_URL names, and verify the copy.

    All of it or nothing. FILE stays as it is. Stop the service first: nothing may be sent meanwhile.
    """
    settings = load_home()
    source = file or settings.home / "ledger.sqlite"
    if not source.is_file():
        raise InputError(f"There is no ledger {source}. Nothing was copied.")
    with (
        Ledger.open(f"sqlite:///{source.absolute()}", heads_file=settings.heads_file) as old,
        Ledger.open(settings.ledger()) as new,
    ):
        if old.database.place == new.database.place:
            raise InputError(
                "SIMTANDEM_LEDGER_URL does not name another ledger. Nothing was copied.\n"
                "Set it to the PostgreSQL database that the copy is for."
            )
        counts = copied(old.database, new.database, kept_heads(old, None))
        told = CopiedLedger(
            source=old.database.place, target=new.database.place, runs=counts["runs"], rows=sum(counts.values())
        )
    if as_json:
        print_json({"exit_code": 0, **told})
    else:
        _show(told)


def _show(told: CopiedLedger) -> None:
    runs = f"{told['runs']:,} run{'' if told['runs'] == 1 else 's'} ({told['rows']:,} rows)"
    text = f"Copied {runs} from {told['source']} to {told['target']}: the copy is intact."
    results().print(text, markup=False, soft_wrap=True)
    results().print("Keep SIMTANDEM_LEDGER_URL set from now on, on every host.", markup=False)

"""`simtandem show`."""

from collections.abc import Iterator
from typing import Annotated

import polars as pl
import typer
from rich.text import Text

from schemas.statuses import Cause
from simtandem.cli.options import AsJson
from simtandem.cli.run_output import show_next
from simtandem.domain.labels import ATTRIBUTIONS
from simtandem.errors import InputError
from simtandem.ledger.device_history import IDS, ids_in, of_device
from simtandem.ledger.store import Ledger
from simtandem.settings import chosen_account, load_home
from simtandem.text.formats import spoken
from simtandem.text.terminal import print_json, results

Device = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE", help="Its sim_id, endpoint_id or ICCID; sim_id=7 where 7 is both.", show_default=False
    ),
]


def show(device: Device, *, as_json: AsJson = False) -> None:
    """Show what every run did to DEVICE, and who else changed it, by the events that were read. Oldest first."""
    show_device(device, as_json=as_json)


def show_device(device: str, *, as_json: bool) -> None:
    """The history of a device on stdout. Raises `InputError` where no run had it, or where it may be one of two."""
    kind, ident, history = _found(device)
    known = {name: history[name].drop_nulls().unique(maintain_order=True).to_list() for name in IDS}
    if as_json:
        print_json({"device": known, "history": history.to_dicts()})
        return
    console = results()
    words = {"sim_id": "SIM", "endpoint_id": "endpoint", "iccid": "ICCID"}
    console.print(
        Text("  ".join(f"{words[name]} {', '.join(ids)}" for name, ids in known.items() if ids), style="bold")
    )
    for line in _lines(history):
        console.print(line, soft_wrap=True)
    look = f"printf '{kind}\\n{ident}\\n' | simtandem plan - --to "
    show_next(console, "What would happen to it now", look + (_last_goal(history) or "STATUS"))


def _found(device: str) -> tuple[str, str, pl.DataFrame]:
    wanted = ids_in(device)
    if not wanted:
        raise InputError(f"{device}: not an id. Name the device by its sim_id, endpoint_id or ICCID.")
    with Ledger.open(load_home().ledger()) as ledger:
        histories = [(kind, ident, of_device(ledger, kind, ident, chosen_account())) for kind, ident in wanted.items()]
    found = [each for each in histories if each[2].height]
    if not found:
        raise InputError(f"{device}: no run and no audit has recorded this device.")
    if len(found) > 1 and not found[0][2].equals(found[1][2]):
        raise InputError(
            f"{device}: a SIM and an endpoint of another device. Write sim_id={device} or endpoint_id={device}."
        )
    return found[0]


def _last_goal(history: pl.DataFrame) -> str:
    goals = history["desired"].drop_nulls()
    return str(goals[-1]) if len(goals) else ""


def _lines(history: pl.DataFrame) -> Iterator[Text]:
    """Two lines for each row of a run, and each change with its author: they fit any terminal, and fold as text."""
    for line in history.iter_rows(named=True):
        place = f", row {line['row']} of {line['file']}" if line["row"] else ""
        yield Text(f"{line['at'][:19].replace('T', ' ')}  {line['run_id']}  {line['kind']}{place}", style="dim")
        moved = " → ".join(dict.fromkeys(each or "nothing known" for each in (line["before"], line["after"])))
        half = "" if line["half"] is None else f"{line['half'].replace('sim', 'SIM')} "
        yield Text(f"  {half}{moved}: {_result(line)}")


def _result(line: dict[str, str | None]) -> str:
    """The verdict, or who made the change, and why."""
    cause = line["cause"]
    first = ATTRIBUTIONS[Cause(cause)] if cause else spoken(line["verdict"] or "")
    return f"{first}: {line['reason']}" if line["reason"] else first

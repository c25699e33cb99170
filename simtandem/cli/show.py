"""`simtandem show`."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import polars as pl
import typer
from rich.text import Text

from schemas.accounts import DEFAULT
from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import Action, Cause
from simtandem.carriers.registry import lifecycle_of
from simtandem.cli.console import Output
from simtandem.cli.json_fields import JsonFields, chosen
from simtandem.cli.options import AsJson
from simtandem.cli.plan import compared
from simtandem.cli.run_output import show_next
from simtandem.domain.charge_words import newly
from simtandem.domain.labels import ATTRIBUTIONS
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.ledger.device_history import IDS, NO_VERDICT, ids_in, of_device
from simtandem.ledger.records import RunKind
from simtandem.ledger.store import Ledger
from simtandem.reports.run_from_ledger import known_results
from simtandem.runs.device_findings import with_findings
from simtandem.runs.prospects import Prospect, prospects
from simtandem.settings import chosen_account, load, load_home
from simtandem.text.formats import spoken
from simtandem.text.terminal import print_json, results

Device = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE", help="Its sim_id, endpoint_id or ICCID; sim_id=7 where 7 is both.", show_default=False
    ),
]


def show(
    device: Device,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Also read the device, and show what each status would do to it.")
    ] = False,
    as_json: AsJson = False,
    fields: JsonFields = "",
) -> None:
    """Show what every run did to DEVICE, what audits found, and who else changed it, by the events. Oldest first.

    It changes nothing; --now reads the device as plan does, also one that no run has had.
    """
    show_device(device, now=now, as_json=as_json or bool(fields), fields=fields)


def show_device(device: str, *, as_json: bool, fields: str = "", now: bool = False) -> None:
    """The history of a device on stdout. Raises `InputError` where no run had it, or where it may be one of two.

    `now`: also what each status would do to it, by a look at the carrier. `fields`: only these of each line, as JSON.
    """
    kind, ident, history = _found(device, unknown=now)
    present = _at_the_carrier(kind, ident) if now else []
    known = {name: history[name].drop_nulls().unique(maintain_order=True).to_list() for name in IDS}
    if as_json:
        lines = history.to_dicts()
        document = {"device": known, "history": lines, **({"now": [each.as_data() for each in present]} if now else {})}
        print_json(chosen(lines, fields, "show") if fields else document)
        return
    _show(kind, ident, history, known, present)


def _show(
    kind: str, ident: str, history: pl.DataFrame, known: dict[str, list[str]], present: Sequence[Prospect]
) -> None:
    console = results()
    words = {"sim_id": "SIM", "endpoint_id": "endpoint", "iccid": "ICCID"}
    called = [f"{words[name]} {', '.join(ids)}" for name, ids in known.items() if ids] or [f"{words[kind]} {ident}"]
    console.print(Text("  ".join(called), style="bold"))
    for line in lines_of(history):
        console.print(line, soft_wrap=True)
    if present:
        lifecycle = lifecycle_of(load().carrier)
        state = present[0].before or "not in the carrier's inventory"
        console.print(Text(f"\nNow: {state}", style="bold"))
        for each in present:
            console.print(Text(f"  {each.goal}: {_would(each, lifecycle)}"), soft_wrap=True)
        return
    look = f"printf '{kind}\\n{ident}\\n' | simtandem plan - --to {_last_goal(history) or 'STATUS'}"
    show_next(console, "What would happen to it now", look + _of_account(history))


def _would(each: Prospect, lifecycle: Lifecycle) -> str:
    """What asking for a status does, in words."""
    if each.action == Action.CHANGE:
        return f"{each.before} → {each.after}{f', {newly(lifecycle)}' if each.newly_billed else ''}"
    return "already in target state" if each.action == Action.UNCHANGED else f"refused: {each.reason}"


def _at_the_carrier(kind: str, ident: str) -> list[Prospect]:
    """Read the device, and plan each status for it. It is in the record as a plan of a list with this device."""
    goal = lifecycle_of(load().carrier).goals[0].word
    request = BulkUpdate(file=f"{kind}\n{ident}\n", to=Wish(goal), mode=Mode.PLAN)
    run, _ = compared("plan", request, Output(quiet=True))
    return prospects(run)


def _found(device: str, *, unknown: bool) -> tuple[str, str, pl.DataFrame]:
    """The kind of its id, its id, and its history. `unknown`: it need not have one, if it is plain what the id is."""
    wanted = ids_in(device)
    if not wanted:
        raise InputError(f"{device}: not an id. Name the device by its sim_id, endpoint_id or ICCID.")
    home, account = load_home(), chosen_account()
    with Ledger.open(home.ledger()) as ledger:
        known = [
            (kind, ident, _with_reasons(ledger, of_device(ledger, kind, ident, account)))
            for kind, ident in wanted.items()
        ]
        histories = [
            (kind, ident, with_findings(history, kind, ident, home.runs_folder, ledger, account))
            for kind, ident, history in known
        ]
    found = [each for each in histories if each[2].height]
    if not found and unknown and len(histories) == 1:
        return histories[0]
    if not found and unknown:
        raise InputError(
            f"{device}: no run and no audit has recorded it. Write sim_id={device} or endpoint_id={device}."
        )
    if not found:
        raise InputError(f"{device}: no run and no audit has recorded this device.")
    if len(found) > 1 and not found[0][2].equals(found[1][2]):
        raise InputError(
            f"{device}: a SIM and an endpoint of another device. Write sim_id={device} or endpoint_id={device}."
        )
    return found[0]


def _with_reasons(ledger: Ledger, history: pl.DataFrame) -> pl.DataFrame:
    """The history; where a run that sends came to no verdict, with what its record says of the device's halves.

    A process that was killed may have left a SIM that is charged beside an endpoint that is off.
    """
    sent = pl.col("kind").is_in([RunKind.APPLY, RunKind.RETRY, RunKind.UNDO])
    open_ones = history.filter(sent & (pl.col("verdict") == NO_VERDICT)).select("run_id", "row")
    if open_ones.is_empty():
        return history
    known = [
        known_results(ledger, run_id).select(pl.lit(run_id).alias("run_id"), "row", known="reason")
        for run_id in open_ones["run_id"].unique()
    ]
    told = open_ones.join(pl.concat(known), on=["run_id", "row"], how="inner").filter(pl.col("known") != "")
    joined = history.join(told, on=["run_id", "row"], how="left", maintain_order="left")
    return joined.with_columns(reason=pl.coalesce("known", "reason")).drop("known")


def _of_account(history: pl.DataFrame) -> str:
    """The option that names the account of the device's last line, where that has a name."""
    accounts = history["account"].drop_nulls()
    named = accounts[-1] if len(accounts) else chosen_account()
    return f" --account {named}" if named and named != DEFAULT else ""


def _last_goal(history: pl.DataFrame) -> str:
    goals = history["desired"].drop_nulls()
    return str(goals[-1]) if len(goals) else ""


def lines_of(history: pl.DataFrame) -> Iterator[Text]:
    """Two lines for each row of a run, and each change with its author: they fit any terminal, and fold as text."""
    for line in history.iter_rows(named=True):
        place = f", row {line['row']} of {line['file']}" if line["row"] else ""
        yield Text(f"{line['at'][:19].replace('T', ' ')}  {line['run_id']}  {_kind(line)}{place}", style="dim")
        if line["finding"]:
            yield Text(f"  {line['after']}: {_finding(line)}")
            continue
        moved = " → ".join(dict.fromkeys(each or "nothing known" for each in (line["before"], line["after"])))
        half = "" if line["half"] is None else f"{line['half'].replace('sim', 'SIM')} "
        yield Text(f"  {half}{moved}: {_result(line)}")


def _kind(line: dict[str, str | None]) -> str:
    action = line["action"]
    return f"{line['kind']} {spoken(action)}" if action else str(line["kind"])


def _finding(line: dict[str, Any]) -> str:
    """What an audit found, until which audit, and what to do."""
    lasting = f" ({line['audits']:,} audits in a row, last {line['last_audit']})" if line["audits"] > 1 else ""
    return f"{spoken(line['finding'])}{lasting}: {line['reason']}"


def _result(line: dict[str, str | None]) -> str:
    """The verdict, or who made the change, and why."""
    cause = line["cause"]
    first = ATTRIBUTIONS[Cause(cause)] if cause else spoken(line["verdict"] or "")
    return f"{first}: {line['reason']}" if line["reason"] else first

"""The devices of a run by a selection: from the carrier's listing, or those of the run's list that it selects.

What is selected is left as `selected.csv`, a list like any other, with its hash in the record of the run. From there on
nothing selects again: a retry and an undo read the record, and that file can be given to any command.
"""

import hashlib
from dataclasses import replace
from datetime import UTC
from typing import NamedTuple

import polars as pl

from schemas.own_columns import Places
from schemas.tables import Devices, Rejected, Repeats, empty
from simtandem import progress
from simtandem.carriers.protocol import Carrier, Listing, Selected, SelectingCarrier
from simtandem.carriers.registry import fields_of
from simtandem.domain.device_lookup import resolve
from simtandem.errors import InputError
from simtandem.intake import Intake, repeat_notes
from simtandem.ledger.records import SENDING
from simtandem.reports.result_files import write_retry
from simtandem.runs.late_changes import wait_for_earlier
from simtandem.runs.run import Run
from simtandem.runs.run_folder import SelectionRecord
from simtandem.selection.selection import Selection
from simtandem.text.escaping import visible
from simtandem.text.formats import of

FILE = "selected.csv"
_TABLES = ("devices.parquet", "repeats.parquet")
_FIRST_ROW = 2
_IDS = ("sim_id", "endpoint_id", "iccid")


class Found(NamedTuple):
    """When the look began, what it showed, and the devices that the plan is made for."""

    begun: str
    listing: Listing
    devices: pl.DataFrame


def selection_of(run: Run) -> Selection:
    """What the run selects by. Raises `InputError` where that can't be read, or the carrier can't be listed."""
    today = run.started.astimezone(UTC).date()
    return Selection.of(run.request.where, fields_of(run.settings.carrier), run.lifecycle, today)


def nothing_read(run: Run) -> Intake:
    """What `read_devices` leaves where no list is named. Raises `InputError` without a status to ask for."""
    if run.request.target is None:
        words = ", ".join(goal.word for goal in run.lifecycle.goals)
        raise InputError(
            "A selection names no status: say what the devices should become (--to STATUS, in a form Status). "
            f"Nothing was sent. It is one of {words}."
        )
    return Intake(empty(Devices), empty(Rejected), empty(Repeats), rows=0, file=FILE, sha256="", notes=())


def before_selecting(read: Intake) -> Intake:
    """A list as it was read, without what is said of rows that repeat others: that is said of what is selected."""
    said = repeat_notes(read.repeats, Places(read.own))
    return replace(read, notes=tuple(note for note in read.notes if note not in said))


async def find_selected(run: Run, carrier: Carrier) -> Found:
    """Select, when no request of another run is under way for what is selected. Raises `CarrierError`."""
    selection = selection_of(run)
    begun, selected = await _select(run, carrier, selection)
    if run.kind in SENDING:
        sims = selected.rows.select(pl.coalesce("iccid", "sim_id")).to_series().drop_nulls().to_list()
        if await wait_for_earlier(run, carrier, sims):
            begun, selected = await _select(run, carrier, selection)
    asked = _asked(run)
    if run.request.file:
        devices, lost = _kept(asked["devices.parquet"], selected)
        repeats = asked["repeats.parquet"].join(devices, left_on="same_as", right_on="row", how="semi")
    else:
        devices, lost, repeats = _made(selected.rows, str(run.request.target)), 0, asked["repeats.parquet"]
    _leave(run, selected, devices, repeats, lost)
    return Found(begun, selected.listing, devices)


async def _select(run: Run, carrier: Carrier, selection: Selection) -> tuple[str, Selected]:
    if not isinstance(carrier, SelectingCarrier):  # `fields_of` has said so already
        raise InputError(f"Devices can't be selected at {run.settings.carrier}. Nothing was sent.")
    begun = run.ledger.clock().isoformat()
    return begun, await carrier.select(selection)


def _asked(run: Run) -> dict[str, pl.DataFrame]:
    """The list as it was read, also where a run that was killed had selected from it before."""
    folder = run.folder
    for name in _TABLES:
        if not folder.has(f"listed_{name}"):
            folder.save_table(f"listed_{name}", folder.table(name))
    return {name: folder.table(f"listed_{name}") for name in _TABLES}


def _kept(devices: pl.DataFrame, selected: Selected) -> tuple[pl.DataFrame, int]:
    """The rows whose device is selected, and those that lead to no device, of which the plan says why; how many."""
    found = resolve(devices, selected.listing.inventory)
    lost = found.filter(pl.col("reason") != "").select("row")
    led = found.filter(pl.col("reason") == "").select("row", "sim_id", "endpoint_id")
    held = led.join(selected.rows, on=["sim_id", "endpoint_id"], how="semi", nulls_equal=True).select("row")
    return devices.join(pl.concat([lost, held]), on="row", how="semi", maintain_order="left"), lost.height


def _made(rows: pl.DataFrame, target: str) -> pl.DataFrame:
    """`schemas.tables.Devices` of what is selected, by rising ids, with the rows that `selected.csv` has.

    An ICCID that is none, as some carriers list them, is left out: the other ids say which device is meant.
    """
    one_each = rows.unique("sim_id", keep="first").filter(pl.col("sim_id").is_not_null())
    alone = rows.filter(pl.col("sim_id").is_null()).unique("endpoint_id", keep="first")
    ordered = pl.concat([one_each, alone]).sort(
        *(each for name in ("sim_id", "endpoint_id") for each in (pl.col(name).str.len_chars(), pl.col(name))),
        nulls_last=True,
    )
    return Devices.validate(
        ordered.select(
            pl.int_range(_FIRST_ROW, pl.len() + _FIRST_ROW).alias("row"),
            "sim_id",
            "endpoint_id",
            pl.when(pl.col("iccid").str.contains(r"^[0-9]{19,20}$")).then("iccid").alias("iccid"),
            desired=pl.lit(target),
            owners=pl.lit(None, pl.String),
        )
    )


def _leave(run: Run, selected: Selected, devices: pl.DataFrame, repeats: pl.DataFrame, lost: int) -> None:
    """Write `selected.csv`, and what the later steps and the record need; `lost` rows lead to no device."""
    folder, path = run.folder, run.folder.file(FILE)
    folder.make()
    write_retry(devices.with_columns(status="desired"), path, folder.own())
    folder.save_table("devices.parquet", devices)
    folder.save_table("repeats.parquet", repeats)
    read = folder.read_intake()
    rows = devices.height + repeats.height + read["invalid"]
    kept: SelectionRecord = {
        "where": run.request.where,
        "file": FILE,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "selected": devices.height - lost,
        "listed": selected.listed,
        "no_device": lost,
        "left_out": read["rows"] - rows if run.request.file else 0,
        "events_since": selected.log.since.isoformat() if selected.log else None,
        "rows": rows,
        "notes": [],
        "warnings": _warnings(selected),
    }
    kept["notes"] = [*_notes(run, selected, kept, repeats.height), *repeat_notes(repeats, Places(folder.own()))]
    folder.save_selection(kept)
    if not devices.height:
        progress.current().message(kept["notes"][0])


def _notes(run: Run, selected: Selected, kept: SelectionRecord, repeats: int) -> list[str]:
    """What an operator should know of the selection."""
    where, count, read = visible(" ".join(run.request.where.split())), kept["selected"], run.folder.read_intake()
    whence = f"{of(read['rows'], 'row')} of the list" if run.request.file else f"{of(selected.listed, 'device')} listed"
    notes = [f"Selected {count:,} of {whence} where {where}: {FILE}."]
    if not count:
        notes = [f"No device of {whence} is selected where {where}. There is nothing to change."]
    others = {
        "not selected": kept["left_out"],
        "repeated": repeats,
        "without a device (refused)": kept["no_device"],
        "invalid": read["invalid"],
    }
    if run.request.file and any(others.values()):
        told = ", ".join(f"{number:,} {what}" for what, number in others.items() if number)
        notes.append(f"Of the other rows of the list: {told}. Row numbers are those of the list.")
    if log := selected.log:
        notes.append(
            f"For last_event the carrier's event log was read back to {log.since:%Y-%m-%d %H:%M} UTC, for "
            f"{of(log.sims, 'SIM')}, with {of(log.calls, 'call')}. A SIM without an event since then had its last one "
            "earlier, or never."
        )
    return notes


def _warnings(selected: Selected) -> list[str]:
    """What the selection may have left out though it holds."""
    warnings = []
    if selected.undecided:
        warnings.append(
            f"{of(selected.undecided, 'device')} changed hands while the fleet was listed, so it is not known whether "
            "the selection holds: not selected. Run again."
        )
    if not selected.complete:
        warnings.append("The fleet kept changing while it was listed: devices may be missing from the selection.")
    if selected.log and not selected.log.complete:
        warnings.append("The event log kept changing while it was read: a SIM may have newer events than were seen.")
    return warnings

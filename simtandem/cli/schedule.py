"""`simtandem schedule list`, `add` and `cancel`. They use the ledger only and send nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Annotated, TypedDict
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from simtandem.carriers.registry import fields_of, lifecycle_for
from simtandem.cli.commands import AccountCommand, CommandGroup, HomeCommand
from simtandem.cli.options import AsJson, FileIfAny, Sheet, To, Where
from simtandem.cli.request import sheets_of, target_of
from simtandem.errors import InputError
from simtandem.inbox import effective_at
from simtandem.inbox.due_rows import warnings
from simtandem.inbox.due_runs import lock_name
from simtandem.inbox.file_request import FileRequest, read_request, selection_request
from simtandem.intake import Reading
from simtandem.intake.device_file import read_file, shown
from simtandem.ledger.schedule_records import FileVersion, Schedule, ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.runs.input_file import bounds
from simtandem.selection.selection import Selection
from simtandem.settings import Settings, chosen_account, load, load_home
from simtandem.text.terminal import print_json, results

_SHOWN = 10
_SELECTION = "a selection"
_UNFORESEEN = (
    "What it will select is not known before it is due, so overlaps with other schedules can't be foreseen. If "
    "something else that is due then asks another status of one of its devices, for the same moment or a later one, "
    "nothing of the selection is carried out, and the run says so."
)

schedule = typer.Typer(cls=CommandGroup, help="List, add and cancel scheduled changes.", no_args_is_help=True)


@schedule.command("list", cls=AccountCommand)
def schedule_list(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are applied or cancelled.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is scheduled and not applied yet."""
    raise typer.Exit(show_schedules(everything=everything, as_json=as_json))


@schedule.command("add", cls=AccountCommand)
def schedule_add(
    file: FileIfAny = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="WHEN", help="ISO date or date and time, for rows without effective_at; or: now."),
    ] = None,
    to: To = None,
    sheet: Sheet = None,
    *,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Validate FILE and schedule its changes; the flow scheduled-updates applies them when they are due.

    With --where, devices are selected when the changes are due: those of FILE, or in place of FILE, with --at and --to.
    """
    raise typer.Exit(add(file, at, to, sheet=sheet, where=where, as_json=as_json))


@schedule.command("cancel", cls=HomeCommand)
def schedule_cancel(
    ident: Annotated[
        str, typer.Argument(metavar="ID", help="The id of a schedule, or the beginning of one.", show_default=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Cancel a schedule that is not applied yet."""
    raise typer.Exit(cancel(ident, as_json=as_json))


def show_schedules(*, everything: bool, as_json: bool) -> int:
    """List the open schedules, with `everything` all of them. Returns the exit code."""
    settings = load_home()
    with _schedules(settings, chosen_account()) as schedules:
        found = schedules.all(open_only=not everything)
    if as_json:
        print_json([_line(each, settings.zone) for each in found])
        return 0
    console = results()
    if not found:
        console.print("Nothing is scheduled.")
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("schedule", f"effective ({settings.timezone})", "devices", "file", "state", "run"):
        table.add_column(heading, overflow="fold")
    for each in found:
        at = f"{each.effective_at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}"
        state = f"{each.state}".replace("_", " ")
        table.add_row(each.schedule_id, at, Text(each.told), Text(each.file), state, each.run_id or "")
    console.print(table)
    return 0


def add(
    file: Path | None,
    at: str | None,
    to: str | None,
    *,
    sheet: Sequence[str] | None = None,
    where: str | None = None,
    as_json: bool,
) -> int:
    """Schedule the changes of a file, or of what is selected; rows without effective_at get `at`.

    Returns the exit code.
    """
    if file is None and where is None:
        raise typer.BadParameter("Give a device list (FILE), or select devices with --where, or both.")
    settings = load()
    with _schedules(settings, settings.account) as schedules:
        now = schedules.ledger.clock()
        otherwise = _moment(at, settings, now)
        if where is not None:
            _require_usable(where, settings, otherwise or now)
        if file is None:
            offer = _selected(str(where), otherwise, to, settings, now)
        else:
            offer = _of_file(file, otherwise, to, settings, now, sheet=sheets_of(sheet, [file]), where=where or "")
        if offer.arrival.reason:
            raise InputError(offer.arrival.reason.replace("Nothing was sent.", "Nothing was scheduled."))
        schedules.record(offer.arrival, offer.schedules, offer.rejected)
        warned = [*warnings(schedules, offer.arrival.arrival_id), *([] if file else [_UNFORESEEN])]
        made = schedules.of_arrival(offer.arrival.arrival_id)
    exit_code = 1 if offer.arrival.rejected else 0
    if as_json:
        rejected = offer.rejected.to_dicts()
        lines = [_line(each, settings.zone) for each in made]
        print_json({"schedules": lines, "rejected": rejected, "warnings": warned, "exit_code": exit_code})
    else:
        _show_added(offer, made, warned, settings)
    return exit_code


def _of_file(
    file: Path, otherwise: datetime | None, to: str | None, settings: Settings, now: datetime, *, sheet: str, where: str
) -> FileRequest:
    data, lifecycle = _bytes(file, settings), lifecycle_for(settings)
    return read_request(
        data,
        _version(shown(file.name), data),
        now,
        effective_at.reader(settings.zone, now),
        lifecycle=lifecycle,
        otherwise=otherwise,
        to=target_of(to, lifecycle),
        reading=Reading(bounds(settings), sheet=sheet),
        where=where,
    )


def _selected(where: str, at: datetime | None, to: str | None, settings: Settings, now: datetime) -> FileRequest:
    target = target_of(to, lifecycle_for(settings))
    if at is None or target is None:
        raise InputError(
            "A selection names no status and no time: say what the devices should become (--to STATUS) and when "
            "(--at WHEN). Nothing was scheduled."
        )
    return selection_request(_version(_SELECTION, where.encode()), where, target, at, now)


def _require_usable(where: str, settings: Settings, at: datetime) -> None:
    """Raise `InputError` where the selection can't be used, as far as that can be said before the day it is due."""
    if not where.strip():
        raise InputError("--where is empty. Nothing was scheduled. Write what to select, or leave the option out.")
    try:
        Selection.of(where, fields_of(settings.carrier), lifecycle_for(settings), at.astimezone(UTC).date())
    except InputError as error:
        raise InputError(str(error).replace("Nothing was sent.", "Nothing was scheduled.")) from None


def cancel(prefix: str, *, as_json: bool) -> int:
    """Cancel a schedule that is not applied yet. Returns the exit code."""
    settings = load_home()
    with _schedules(settings, "") as schedules:
        found = schedules.find(prefix)
        with schedules.alone(lock_name(urgent=found.urgent)) as idle:
            if found.state is ScheduleState.DUE and not idle:
                raise InputError(f"Schedule {found.schedule_id} is being applied by run {found.run_id}. Stop that run.")
            if not found.state.open:
                raise InputError(f"Schedule {found.schedule_id} is {found.state} already. Nothing was changed.")
            if not schedules.move([found], ScheduleState.CANCELLED, found.run_id):
                raise InputError(
                    f"Schedule {found.schedule_id} has changed meanwhile. `simtandem schedule list --all` shows it."
                )
        cancelled = _line(schedules.find(found.schedule_id), settings.zone)
    if as_json:
        print_json(cancelled)
    else:
        results().print(f"Cancelled {cancelled['schedule']}: {found.told}, {found.file}.", markup=False)
    return 0


@contextmanager
def _schedules(settings: Settings, account: str) -> Iterator[Schedules]:
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        yield Schedules(ledger, account)


def _moment(at: str | None, settings: Settings, now: datetime) -> datetime | None:
    if at is None:
        return None
    if at.strip().casefold() == "now":
        return now
    try:
        return effective_at.reader(settings.zone, now)(at.strip())
    except ValueError as error:
        raise InputError(f"--at {at}: {error}. Nothing was scheduled.") from error


def _bytes(file: Path, settings: Settings) -> bytes:
    try:
        return read_file(file, bounds(settings))
    except InputError as error:
        told = str(error).replace("Nothing was sent.", "Nothing was scheduled.").replace("there is no", "No", 1)
        raise InputError(f"{shown(str(file))}: {told}") from error


def _version(name: str, data: bytes) -> FileVersion:
    """A version of its own each time: a file that is added twice is scheduled twice."""
    return FileVersion("", name, len(data), token_hex(8), sha256(data).hexdigest())


class ScheduleLine(TypedDict):
    """A schedule, as `simtandem schedule list --json` prints it."""

    schedule: str
    effective_at: str
    account: str
    file: str
    rows: int
    devices: dict[str, int]
    where: str
    state: str
    since: str
    run_id: str | None
    detail: str


def _line(schedule: Schedule, zone: ZoneInfo) -> ScheduleLine:
    return {
        "schedule": schedule.schedule_id,
        "effective_at": schedule.effective_at.astimezone(zone).isoformat(timespec="seconds"),
        "account": schedule.account,
        "file": schedule.file,
        "rows": schedule.rows,
        "devices": dict(schedule.wishes),
        "where": schedule.where,
        "state": str(schedule.state),
        "since": schedule.state_at.isoformat(timespec="seconds"),
        "run_id": schedule.run_id,
        "detail": schedule.detail,
    }


def _show_added(offer: FileRequest, made: list[Schedule], warned: list[str], settings: Settings) -> None:
    console = results()
    for each in made:
        at = f"{each.effective_at.astimezone(settings.zone):%Y-%m-%d %H:%M:%S}"
        console.print(f"{each.schedule_id}  {at} {settings.timezone}  {each.told}", markup=False)
    if offer.arrival.rejected:
        console.print(f"Invalid rows: {offer.arrival.rejected:,}", markup=False)
    for row, column, value, reason in offer.rejected.head(_SHOWN).iter_rows():
        console.print(f"  row {row}, {column} {value!r}: {reason}", markup=False)
    for sentence in (*offer.notes, *warned):
        console.print(sentence, markup=False)

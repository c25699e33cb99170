"""What a command asks for, from its arguments and options."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import ValidationError

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import Target
from schemas.waves import REST, WaveCheck, amount, seconds, sizes
from simtandem.carriers.registry import lifecycle_of
from simtandem.cli.list_files import expanded
from simtandem.cli.options import BATCH_SIZE, WAVE_WAIT
from simtandem.domain.charge_words import known
from simtandem.domain.lifecycle import Goal, Lifecycle
from simtandem.errors import InputError
from simtandem.intake import parse_target
from simtandem.intake.device_file import shown
from simtandem.intake.header import listed as listing
from simtandem.reports.run_commands import sheet_options, wave_options
from simtandem.runs.input_file import address
from simtandem.runs.pacing import read
from simtandem.settings import load


@dataclass(frozen=True, slots=True)
class WaveOptions:
    """The options about waves."""

    waves: str = ""
    limit: str = ""
    check: WaveCheck = WaveCheck.NONE
    wait: str = WAVE_WAIT
    approval: bool = False

    def asks(self) -> dict[str, object]:
        """As a request has them. Raises `InputError` where one can't be read."""
        read("--waves", sizes, self.waves or REST)
        read("--wave-limit", amount, self.limit or "0")
        read("--wave-wait", seconds, self.wait)
        return {
            "waves": self.waves,
            "wave_limit": self.limit,
            "wave_check": self.check,
            "wave_wait": self.wait,
            "wave_approval": self.approval,
        }


_NO_WAVES = WaveOptions()


def target_of(to: str | None, lifecycle: Lifecycle) -> Target | None:
    """The status of this carrier that --to names; None where it is not given. Raises `InputError`."""
    target = parse_target(to, lifecycle) if to is not None else None
    if to is not None and target is None:
        *others, last = [_spelled(goal) for goal in lifecycle.goals] or ["none"]
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise InputError(f"--to {to}: not a status at {lifecycle.carrier}. Use {allowed}. Nothing was sent.")
    return target


def _spelled(goal: Goal) -> str:
    """A goal's word, and the other words for it."""
    return f"{goal.word} (also {', '.join(goal.words)})" if goal.words else goal.word


def saving_status(word: str, account: str) -> str:
    """The status of that account's carrier that ends a charge and is called so; empty for no word.

    Raises `InputError` where there is none.
    """
    if not word:
        return ""
    lifecycle = lifecycle_of(load(account).carrier)
    target = parse_target(word, lifecycle)
    words = [goal.word for goal in lifecycle.saving]
    if target is None or target.value not in words:
        allowed = " or ".join(words) or "none here"
        ends = "ends a charge" if known(lifecycle) else "takes a SIM out of use"
        raise InputError(f"--issued-to {word}: not a status that {ends}. Use {allowed}. Nothing was sent.")
    return target.value


def options_of(request: BulkUpdate) -> list[str]:
    """The options of the command line that ask for this, but for the file and the plan's digest."""
    asked = request.model_dump(mode="json")
    return [
        *(["--where", request.where] if request.where else []),
        *(["--to", request.to.value] if request.to is not Wish.AS_IN_FILE else []),
        *(["--batch-size", str(request.batch_size)] if request.batch_size != BATCH_SIZE else []),
        *(["--accept-large"] if request.accept_large else []),
        *sheet_options(asked),
        *(["--change-owners"] if request.change_owners else []),
        *wave_options(asked),
        *(["--issued-to", request.issued_to] if request.issued_to else []),
        *(["--urgent"] if request.urgent else []),
    ]


def sheets_of(sheets: Sequence[str] | None, files: Sequence[Path]) -> str:
    """The sheets that --sheet names, as a request has them. Raises `InputError` where one is of no file of the list."""
    names = {name for file in files for name in (str(file), file.name)}
    for sheet in sheets or ():
        file, colon, _ = sheet.rpartition(":")
        if colon and file not in names:
            raise InputError(
                f"--sheet {shown(sheet)}: {shown(file)} is no file of the list. Nothing was sent. Write it as the "
                f"file is named: {listing(sorted({each.name for each in files}))}."
            )
    return "\n".join(sheets or ())


@contextmanager
def _told_of_options() -> Iterator[None]:
    """What a request can't be is a sentence about the option that asks for it."""
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = str(next(iter(found["loc"]), ""))
        option = "FILE" if name in ("", "file", "more_files") else f"--{name.replace('_', '-')}"
        raise InputError(f"{option} {found['msg']}. Nothing was sent.") from None


@_told_of_options()
def request_for(
    files: Sequence[Path] | None,
    to: str | None = None,
    batch_size: int = BATCH_SIZE,
    *,
    digest: str = "",
    account: str = "",
    retry_of: str = "",
    undo_of: str = "",
    accept_large: bool = False,
    change_owners: bool = False,
    sheet: Sequence[str] | None = None,
    where: str | None = None,
    waves: WaveOptions = _NO_WAVES,
    urgent: bool = False,
) -> BulkUpdate:
    """The request of a command that reads files or RUN, or selects. Raises where it does neither, and as `expanded`."""
    if not files and where is None:
        raise typer.BadParameter("Give a device list (FILE), or select devices with --where, or both.")
    if where is not None and not where.strip():  # the shell had nothing to put there: not all devices of FILE
        raise InputError("--where is empty. Nothing was sent. Write what to select, or leave the option out.")
    listed = expanded(files or ())
    target = None if to is None else target_of(to, lifecycle_of(load(account).carrier))
    return BulkUpdate(
        file=address(listed[0]) if listed else "",
        more_files=tuple(map(address, listed[1:])),
        where=where or "",
        to=Wish(target.value) if target else Wish.AS_IN_FILE,
        mode=Mode.APPLY,
        batch_size=batch_size,
        plan_digest=digest,
        account=account,
        retry_of=retry_of,
        undo_of=undo_of,
        accept_large=accept_large,
        change_owners=change_owners,
        sheet=sheets_of(sheet, listed),
        urgent=urgent,
        **waves.asks(),  # type: ignore[arg-type]  # the model checks them
    )

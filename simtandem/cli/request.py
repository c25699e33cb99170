"""What a command asks for, from its arguments and options."""

from pathlib import Path

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import Target
from simtandem.carriers.registry import lifecycle_of
from simtandem.cli.options import BATCH_SIZE
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.intake import parse_target
from simtandem.runs.input_file import address
from simtandem.settings import load


def target_of(to: str | None, lifecycle: Lifecycle) -> Target | None:
    """The status of this carrier that --to names; None where it is not given. Raises `InputError`."""
    target = parse_target(to, lifecycle) if to is not None else None
    if to is not None and target is None:
        *others, last = [goal.word for goal in lifecycle.goals] or ["none"]
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise InputError(f"--to {to}: not a status. Use {allowed}. Nothing was sent.")
    return target


def options_of(request: BulkUpdate) -> list[str]:
    """The options of the command line that ask for this, but for the file and the plan's digest."""
    return [
        *(["--to", request.to.value] if request.to is not Wish.AS_IN_FILE else []),
        *(["--batch-size", str(request.batch_size)] if request.batch_size != BATCH_SIZE else []),
        *(["--accept-large"] if request.accept_large else []),
        *(["--change-owners"] if request.change_owners else []),
    ]


def request_for(
    file: Path,
    to: str | None = None,
    batch_size: int = BATCH_SIZE,
    *,
    digest: str = "",
    account: str = "",
    retry_of: str = "",
    undo_of: str = "",
    accept_large: bool = False,
    change_owners: bool = False,
) -> BulkUpdate:
    """The request of a command that reads FILE, or RUN."""
    target = None if to is None else target_of(to, lifecycle_of(load(account).carrier))
    return BulkUpdate(
        file=address(file),
        to=Wish(target.value) if target else Wish.AS_IN_FILE,
        mode=Mode.APPLY,
        batch_size=batch_size,
        plan_digest=digest,
        account=account,
        retry_of=retry_of,
        undo_of=undo_of,
        accept_large=accept_large,
        change_owners=change_owners,
    )

"""What ended a run before it had sent everything."""

from dataclasses import dataclass

from schemas.statuses import StoppedBy


@dataclass(frozen=True, slots=True)
class Stop:
    """Who or what stopped a run, and why in words where there is more to say. `exit_code` is that of an error."""

    by: StoppedBy
    why: str = ""
    exit_code: int | None = None

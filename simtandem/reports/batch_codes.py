"""The list that stands for codes of batches typed as a command's arguments, and those arguments again. Pure."""

from collections.abc import Sequence

from schemas.sim_actions import SimAction

_HEADER = "action,bic,status"


def as_list(codes: Sequence[str], status: str) -> str:
    """A list of SIM actions that registers each of these batches once. No code and no status has a comma in it."""
    lines = [f"{SimAction.REGISTER_BATCH},{code},{status}" for code in dict.fromkeys(codes)]
    return "\n".join([_HEADER, *lines, ""])


def as_arguments(text: str) -> list[str]:
    """The arguments that were typed for a list of `as_list`; none for any other text."""
    header, *lines = text.strip().split("\n")
    if header != _HEADER or not lines:
        return []
    _, codes, statuses = zip(*(line.split(",") for line in lines), strict=True)
    return [*codes, "--to", statuses[0]]


def called(text: str) -> str:
    """What such a list is called: by its code, or by how many there are."""
    codes = as_arguments(text)[:-2]
    return f"batch {codes[0]}" if len(codes) == 1 else f"{len(codes):,} batches"

"""Whole numbers as callers send them: in a path, in a query, in JSON."""

import re

from simtandem.emulator.refusals import bad_request

LONGEST = 2**63 - 1
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_EXACT = 2**53  # up to here a double is the number that was meant


def path_id(text: str) -> int:
    """The number in a path; anything else is refused with 400 and 1000, as recorded."""
    return _parsed(text, "id", "Long")


def query_number(text: str, name: str) -> int:
    """A number of the query; anything else is refused with 400 and 1000."""
    return _parsed(text, name, "Integer")


def whole(text: str) -> int | None:
    """A number in a filter; None for anything else."""
    number = int(text) if _WHOLE.fullmatch(text) else None
    return None if number is None or abs(number) > LONGEST else number


def from_json(value: object) -> int | None:
    """A number in a body, where `1.0` is as good as `1`: the description types them as doubles. None for all else."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else None
    return value if type(value) is int and abs(value) <= LONGEST else None


def _parsed(text: str, name: str, kind: str) -> int:
    number = whole(text)
    if number is None:
        raise bad_request(f'Cannot parse parameter {name} as {kind}: For input string: "{text}"')
    return number

"""Where a run was asked for, which decides what its request may name."""

from enum import StrEnum


class AskedOn(StrEnum):
    """The operator's own shell may read what that operator may read; a form, or an API call, only what is allowed."""

    TERMINAL = "terminal"
    FORM = "form"

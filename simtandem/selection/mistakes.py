"""What is said of a selection that can't be used: a sentence, the line, and a caret below the place. Pure."""

from simtandem.errors import InputError
from simtandem.text.escaping import visible

_BEFORE, _AFTER = 60, 30


def mistake(text: str, offset: int, sentence: str) -> InputError:
    """The error about the place `offset` of the text. Long lines are cut around it."""
    offset = min(max(offset, 0), len(text))
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[start : len(text) if end < 0 else end]
    column = offset - start
    left, right = max(0, column - _BEFORE), column + _AFTER
    before = ("… " if left else "") + visible(line[left:column])
    after = visible(line[column:right]) + (" …" if right < len(line) else "")
    place = (
        f"column {column + 1}"
        if "\n" not in text
        else f"line {text.count(chr(10), 0, offset) + 1}, column {column + 1}"
    )
    return InputError(
        f"The selection can't be used, {place}: {sentence}. Nothing was sent.\n"
        f"  {before}{after}\n  {' ' * len(before)}^"
    )

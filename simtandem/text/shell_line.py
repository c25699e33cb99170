"""A command line that can be copied into a shell. Pure."""

import re
import shlex
from collections.abc import Iterable

_PLAIN_IN_DOUBLE_QUOTES = re.compile(r"[^\"$`\\!\n]+")


def shell_line(words: Iterable[str]) -> str:
    """The words as a POSIX shell takes them. A word with ' in it is in double quotes, where those keep it as it is.

    What is not seen, or turns the direction of reading, is an escape in $'…', as bash, zsh and ksh take it.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not word.isprintable():
        return f"$'{''.join(map(_escaped, word))}'"
    if "'" in word and _PLAIN_IN_DOUBLE_QUOTES.fullmatch(word):
        return f'"{word}"'
    return shlex.quote(word)


def _escaped(sign: str) -> str:
    code = ord(sign)
    if sign in "\\'":
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no text
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

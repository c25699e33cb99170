r"""Text from outside as it may appear where people read it: one function for each medium. Pure.

A file's name, a header, a cell, a carrier's message, a user's name: all of it is data. It may not move a cursor, turn
the direction of reading, hide, break a line, become markup, a link or a mention. What a person would not see as it is
is there as an escape (`\x1b`), never left out: two texts that differ look different. Secrets are taken out.

Cells of CSV files and workbooks are made by `simtandem.reports.spreadsheet_cells`.
"""

import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from simtandem.text.redaction import redacted

_LONGEST_NAME, _LONGEST_STATE, _LONGEST_CELL, _LONGEST_NOTE = 200, 4_000, 2_000, 3_000
_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]{1,20}):(?=//|\S*script)|\b(javascript|data|vbscript|mailto):")
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#!|~&$^]")
_RUN_PAGE = re.compile(
    r"(?s)(?P<text>.*\n)?(?P<page>https?://[\w.:\[\]\-]+(?:/[\w\-]+)*/runs/flow-run/[0-9a-f\-]{36}"
    r"(?:\nFiles: https?://[\w.:\[\]\-]+(?:/[\w\-]+)*/simtandem/flow-runs/[0-9a-f\-]{36}/)?)\s*"
)
"""A message whose last lines are the addresses of its run's page and of its files, which simtandem wrote."""
_PLACE = re.compile(r"/simtandem/[A-Za-z0-9_./-]+")
_WWW = re.compile(r"(?i)\bwww\.(?=\S)")


class Markdown(str):
    """Markdown that `markdown` made: what comes from outside is code in it."""

    __slots__ = ()


def visible(text: str) -> str:
    """One line of text with nothing in it that is not seen: each such sign is an escape, every space a space."""
    if text.isprintable():
        return text
    return "".join(map(_seen, text))


def _seen(sign: str) -> str:
    if sign.isprintable():
        return sign
    if sign.isspace() and sign not in "\t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "
    return sign.encode("unicode_escape").decode()


def lines(text: str) -> str:
    """As `visible`, in several lines."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def terminal(text: str) -> str:
    """Text for a terminal, or a log."""
    return lines(redacted(text))


def html(value: Any) -> Any:
    """A value for a page whose template escapes markup: text is made visible, what is none stays what it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return lines(redacted(value))
    return value


def state(text: str) -> str:
    """The message of a state in Prefect's UI, which notifications quote."""
    return _cut(_unlinked(lines(redacted(text))), _LONGEST_STATE)


def name(text: str) -> str:
    """The name of something in Prefect's UI."""
    return _cut(_unlinked(visible(redacted(text))), _LONGEST_NAME)


def table_cell(value: object) -> object:
    """A cell of a table in Prefect's UI, which makes links of what looks like some. Numbers stay numbers."""
    if value is None or isinstance(value, bool | int | float):
        return value
    told = _unlinked(visible(redacted(str(value)))).replace("](", "] (").replace("<", "\u2039").replace(">", "\u203a")
    return _cut(told, _LONGEST_CELL)


def markdown(template: str, *values: object) -> Markdown:
    """Markdown for Prefect's UI: a trusted template with `{}` for values, text among them as code.

    Inside code nothing is a link, an image, HTML or the end of a table's cell. Markdown in a value stays markdown.
    """
    return Markdown(template.format(*map(_inline, values)))


def joined(between: str, texts: Sequence[Markdown]) -> Markdown:
    """Markdown texts with trusted words between them."""
    return Markdown(between.join(texts))


def _inline(value: object) -> str:
    if isinstance(value, Markdown | bool | int | float):
        return str(value)
    told = _cut(visible(redacted(str(value))), _LONGEST_CELL).replace("`", "\u02cb").replace("|", "\u00a6").strip()
    return f"`{told}`" if told else ""


def link(text: str, place: str) -> Markdown:
    """A link to a place on simtandem's own server, as Markdown. Raises `ValueError` for any other place."""
    if not _PLACE.fullmatch(place) or ".." in place:
        raise ValueError("a link leads to a place on simtandem's own server")
    return Markdown(f"[{prose(text)}]({place})")


def prose(text: str) -> Markdown:
    """A sentence as Markdown that reads as it is: no sign of it is markup, and no address a link."""
    told = _cut(_unlinked(visible(redacted(text).replace("\n", " "))), _LONGEST_STATE)
    return Markdown(_MARKUP.sub(r"\\\g<0>", told).replace("@", "\uff20"))


def notification(text: str) -> str:
    """Text for a chat that reads Slack's markup: no mention, no tag, and no link but the last lines' to its run."""
    found = _RUN_PAGE.fullmatch(text)
    text, page = (found["text"] or "", found["page"]) if found else (text, "")
    told = _cut(_unlinked(lines(redacted(text))), _LONGEST_NOTE)
    told = told.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return told.replace("@", "\uff20") + page


def mail(text: str) -> str:
    """The body of a mail, which is plain text."""
    return lines(redacted(text))


def subject(text: str) -> str:
    """A line at the head of a message."""
    return _cut(visible(" ".join(redacted(text).split())), _LONGEST_NAME)


def _unlinked(text: str) -> str:
    """Addresses taken apart, so that no program makes a link of them."""
    return _WWW.sub("www .", _SCHEME.sub(lambda found: f"{found[1] or found[2]}: ", text))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"

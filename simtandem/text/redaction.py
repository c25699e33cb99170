"""What must never be recorded or shown, and taking it out of text, no matter who put it there.

A secret is passed to `learn` as soon as this process knows it. From then on `redacted` takes it out of any text, in its
own spelling and as base64, percent-code, hex, JSON or HTML spell it. What looks like a JSON Web Token is taken out
always, known or not: a carrier may echo one that simtandem never had. From the first secret on, log records are
redacted as they are made, no matter who makes them.

A password that is a plain word is taken out of addresses alone: elsewhere it would make holes in sentences and paths.
"""

import base64
import html
import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

if TYPE_CHECKING:  # `simtandem --help` needs errors, which need this, and no tables
    import polars as pl

Value = TypeVar("Value")

HIDDEN = "(secret)"
"""What is where a secret stood."""

_SHORTEST = 6
_SHORTEST_PATH = 12
_LONGEST_WORD = 16  # a password of letters alone, up to here, is taken for a word
_JWT = (
    r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{10,}){1,4}(?:\.[A-Za-z0-9_-]*)?"  # header and payload, and anything after
    r"|eyJ[A-Za-z0-9_-]{24,}\.?"  # cut short
    r"|ZXlK[A-Za-z0-9+/_-]{32,}={0,2}"  # as base64
)
_BEGINNINGS = ("eyJ", "ZXlK")
_BEGINNING = 12  # so much of each is enough to suspect a text, and cheap to look for in a million
_MOST_PASSING = 16


def forms(secret: str) -> frozenset[str]:
    """The ways in which text may spell a secret."""
    data = secret.encode("utf-8", "surrogatepass")
    spelled = {
        secret,
        json.dumps(secret)[1:-1],
        html.escape(secret),
        repr(secret)[1:-1],
        data.hex(),
        data.hex().upper(),
    }
    for coded in (quote(data, safe=""), quote(data), quote_plus(data)):
        spelled |= {coded, re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), coded)}
    return frozenset(spelled | set(_base64(data)))


def _base64(data: bytes) -> Iterator[str]:
    """Its base64, also in the middle of more: what depends on the neighbours is left off at both ends."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).rstrip(b"=").decode()
        inner = coded[(0, 2, 3)[before] :]
        if (before + len(data)) % 3:
            inner = inner[:-1]
        if len(inner) >= _SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


class Redactor:
    """Removes the secrets that it knows. Safe in any thread."""

    def __init__(self) -> None:
        self._kept: dict[str, frozenset[str]] = {}
        self._passing: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()
        self._spelled: tuple[str, ...] = ()
        self._pattern: re.Pattern[str] | None = None  # made when it is needed

    def learn(self, secrets: Iterable[str], *, passing: bool = False) -> None:
        """Take these out from now on. Of those that are `passing`, as bearer tokens are, the latest are remembered."""
        known = self._passing if passing else self._kept
        with self._lock:
            new = [each for each in dict.fromkeys(secrets) if each.strip() and each not in known]
            if not new:
                return
            known |= {each: _looked_for(each) for each in new}
            for oldest in list(self._passing)[:-_MOST_PASSING]:
                del self._passing[oldest]
            spelled = set().union(*self._kept.values(), *self._passing.values())
            self._spelled = tuple(sorted(spelled, key=len, reverse=True))
            self._pattern = None

    def __call__(self, text: str) -> str:
        """The same text with `HIDDEN` in place of secrets. Digits alone are an identifier, and stay."""
        if len(text) < _SHORTEST or (text.isascii() and text.isdigit()):
            return text
        if any(each in text for each in (*_BEGINNINGS, *self._spelled)):
            return self._compiled().sub(HIDDEN, text)
        return text

    def _compiled(self) -> re.Pattern[str]:
        with self._lock:
            if self._pattern is None:
                self._pattern = re.compile("|".join([*map(re.escape, self._spelled), _JWT]))
            return self._pattern

    def frame(self, table: "pl.DataFrame") -> "pl.DataFrame":
        """The same table with its text redacted."""
        changed = [self._column(table[name]) for name, kind in table.schema.items() if str(kind) == "String"]
        return table.with_columns([column for column in changed if column is not None])

    def _column(self, column: "pl.Series") -> "pl.Series | None":
        spelled = self._spelled
        suspect = column.str.contains(_JWT).fill_null(value=False)
        if spelled:
            beginnings = {each[:_BEGINNING] for each in spelled}
            suspect |= column.str.contains_any(sorted(beginnings)).fill_null(value=False)
        if not suspect.any():
            return None
        texts = column.to_list()
        for place in suspect.arg_true():
            texts[place] = self(texts[place])
        return type(column)(column.name, texts, dtype=column.dtype)


def _looked_for(secret: str) -> frozenset[str]:
    """The spellings to look for: all, if it looks unlike an ordinary word."""
    secret = secret.strip()
    if len(secret) < _SHORTEST or (secret.isalpha() and len(secret) <= _LONGEST_WORD):
        return frozenset({f":{secret}@", f":{quote(secret, safe='')}@"})
    return forms(secret)


_redactor = Redactor()


def learn(*secrets: str) -> None:
    """These are secrets of this process."""
    _redactor.learn(secrets)
    _guard_logs()


def learn_passing(*secrets: str) -> None:
    """These are secrets of this process that others take the place of soon."""
    _redactor.learn(secrets, passing=True)
    _guard_logs()


def learn_address(url: str) -> None:
    """An address that is a secret: the whole of it, the password in it, and the path of a webhook."""
    scheme, _, rest = url.partition("://")
    path = rest[len(rest.split("/", 1)[0]) :] if scheme in ("http", "https") else ""
    learn(url, path if len(path) >= _SHORTEST_PATH else "", *_passwords(url))


def learn_password(url: str) -> None:
    """An address that may be shown without its password."""
    learn(*_passwords(url))


def _passwords(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        given = [parts.password or "", *(value for name, value in parse_qsl(parts.query) if "pass" in name.casefold())]
    except ValueError:
        return
    for password in filter(None, given):
        yield password
        yield unquote(password)


def redacted(text: str) -> str:
    """Text as it may be recorded and shown."""
    return _redactor(text)


def redacted_frame(table: "pl.DataFrame") -> "pl.DataFrame":
    """A table as it may be recorded and shown."""
    return _redactor.frame(table)


def redacted_data(value: Any) -> Any:
    """Plain data, as JSON takes it, with all the text in it redacted."""
    if isinstance(value, str):
        return _redactor(value)
    if isinstance(value, Mapping):
        return {redacted_data(name): redacted_data(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_data(each) for each in value]
    return value


class _RecordsRedacted:
    """Makes log records as before, and takes secrets out of them."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        try:
            told = record.getMessage()
        except Exception:  # noqa: BLE001 - a mistake in the call: logging reports it where it formats
            return record
        if (hidden := redacted(told)) != told:
            record.msg, record.args = hidden, ()
        if record.exc_info and record.exc_info[0] is not None:
            trace = logging.Formatter().formatException(record.exc_info)
            if (hidden := redacted(trace)) != trace:
                record.exc_text, record.exc_info = hidden, None
        return record


def _guard_logs() -> None:
    make = logging.getLogRecordFactory()
    if not isinstance(make, _RecordsRedacted):
        logging.setLogRecordFactory(_RecordsRedacted(make))

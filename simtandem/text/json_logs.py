"""Logs for programs: one JSON object a line, on stderr, with the ids of run, batch and device as fields.

`time`, `level`, `logger` and `message` are always there; `run_id`, `account`, `batch`, `half`, `row`, `sim_id` and the
like where they are known. Text is redacted, and in ASCII, so no line holds what controls a terminal.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

from simtandem.text.redaction import redacted_data

_fields: ContextVar[Mapping[str, object]] = ContextVar("simtandem_log_fields", default=MappingProxyType({}))
_OF_A_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_state = {"wanted": False}


def switch_on() -> None:
    """From here on this process writes its messages as JSON."""
    _state["wanted"] = True


def wanted() -> bool:
    """Whether this process writes its messages as JSON."""
    return _state["wanted"]


def bind(**fields: object) -> None:
    """Have the records of this context, and of those copied from it, carry these fields."""
    _fields.set({**_fields.get(), **fields})


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """In this block records carry these fields."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def line(level: str, logger: str, message: str, **fields: object) -> str:
    """One record as it is written."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"time": now, "level": level, "logger": logger, "message": message, **_fields.get(), **fields}
    return json.dumps(redacted_data(told), default=str).replace("\x7f", "\\u007f")


def attach(level: int) -> None:
    """Write simtandem's log records from this level on to stderr; once, however often it is called."""
    logger, steps = logging.getLogger("simtandem"), logging.getLogger("simtandem.steps")
    for each in (logger, steps):
        for earlier in [one for one in each.handlers if isinstance(one.formatter, JsonFormatter)]:
            each.removeHandler(earlier)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    handler.setLevel(level)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    steps.addHandler(handler)  # a record a device: for these lines alone, and not for Prefect's log
    steps.propagate = False
    steps.setLevel(level)


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; what `extra` gave it are fields."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        extra = {name: value for name, value in vars(record).items() if name not in _OF_A_RECORD}
        if record.exc_info and record.exc_info[0] is not None:
            extra["trace"] = self.formatException(record.exc_info)
        elif record.exc_text:
            extra["trace"] = record.exc_text
        return line(record.levelname.lower(), record.name, record.getMessage(), **extra)

"""Keeps what a logger is given, for tests of what is logged."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Kept(logging.Handler):
    """Keeps the records of a logger, whether or not Prefect lets them pass on."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def kept_records(name: str) -> Iterator[Kept]:
    """What the logger of that name is given in this block, from INFO on."""
    kept, logger = Kept(), logging.getLogger(name)
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    try:
        yield kept
    finally:
        logger.removeHandler(kept)
        logger.setLevel(level)

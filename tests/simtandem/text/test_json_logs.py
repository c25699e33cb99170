"""Messages for programs: each line is one JSON object, with the ids that are known, and without secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from simtandem.text import json_logs, redaction
from simtandem.text.json_logs import JsonFormatter, bind, bound


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("simtandem", "simtandem.steps")]
    before = [(each, list(each.handlers), each.level, each.propagate) for each in loggers]
    bound_before = json_logs._fields.set({})  # of a run in a test before this one
    for each in loggers:  # Prefect, where a test before this one has loaded it, has handlers there
        each.handlers = []
    yield
    json_logs._fields.reset(bound_before)
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_what_is_known_of_run_batch_and_device_are_fields() -> None:
    record = logging.makeLogRecord({"name": "simtandem.x", "levelname": "INFO", "msg": "row 7", "row": 7})
    with bound(run_id="20260301T140000-abc123", account="eu"), bound(batch=3):
        told = json.loads(JsonFormatter().format(record))
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info",
        "logger": "simtandem.x",
        "message": "row 7",
        "run_id": "20260301T140000-abc123",
        "account": "eu",
        "batch": 3,
        "row": 7,
    }
    assert "run_id" not in json.loads(JsonFormatter().format(record))


def test_a_hostile_text_is_one_line_of_ascii_and_no_secret_is_in_it() -> None:
    redaction.learn("hush-hush-4711")
    line = json_logs.line("info", "x", 'a"\n\x1b[31m\u202e\x7f hush-hush-4711', error="hush-hush-4711")
    assert line.isascii()
    assert line.isprintable()
    assert "hush-hush-4711" not in line
    assert json.loads(line)["message"].startswith('a"\n\x1b')


def test_an_error_has_its_trace() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "x", "exc_info": (ValueError, error, error.__traceback__)})
    assert "ValueError: why" in json.loads(JsonFormatter().format(record))["trace"]


def test_records_are_written_once_and_those_of_devices_to_these_lines_alone(capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere: list[logging.LogRecord] = []

    class Prefect(logging.Handler):
        """Where Prefect's log would be."""

        def emit(self, record: logging.LogRecord) -> None:
            elsewhere.append(record)

    logging.getLogger("simtandem").addHandler(Prefect())
    for _ in range(2):
        json_logs.attach(logging.INFO)
    logging.getLogger("simtandem.a").info("a run")
    logging.getLogger("simtandem.steps").warning("a device")
    logging.getLogger("simtandem.steps").debug("a good one")
    said = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["a run", "a device"]
    assert [each.getMessage() for each in elsewhere] == ["a run"]


def test_what_is_bound_stays_in_its_context() -> None:
    import contextvars  # noqa: PLC0415

    contextvars.copy_context().run(bind, run_id="x")
    assert "run_id" not in json.loads(json_logs.line("info", "x", "y"))

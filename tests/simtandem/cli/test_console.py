import logging
from collections.abc import Iterator

import pytest
from rich.logging import RichHandler

from simtandem.cli.console import Output
from simtandem.cli.progress_bars import QuietProgress, TerminalProgress


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Ours, put back as it was."""
    mine = logging.getLogger("simtandem")
    level, handlers = mine.level, list(mine.handlers)
    yield mine
    mine.setLevel(level)
    mine.handlers[:] = handlers


@pytest.mark.parametrize(("verbose", "level"), [(True, logging.INFO), (False, logging.ERROR)])
def test_our_log_goes_to_stderr_as_much_of_it_as_was_asked_for(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], verbose: bool, level: int
) -> None:
    Output(verbose=verbose).log()
    logger.info("quietly")
    logger.error("loudly")
    said = capsys.readouterr()
    assert said.out == ""
    assert ("quietly" in said.err) == verbose
    assert "loudly" in said.err
    assert [handler.level for handler in logger.handlers if isinstance(handler, RichHandler)] == [level]


def test_two_commands_in_a_row_log_once(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    Output().log()
    Output().log()
    logger.error("only once")
    assert capsys.readouterr().err.count("only once") == 1


def test_quiet_has_hooks_that_show_nothing() -> None:
    assert isinstance(Output(quiet=True).hooks(), QuietProgress)
    assert isinstance(Output().hooks(), TerminalProgress)

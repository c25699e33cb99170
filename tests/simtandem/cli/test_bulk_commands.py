import asyncio
import logging
import os
import signal
from collections.abc import Iterator

import pytest
from rich.logging import RichHandler

from schemas.parameters import BulkUpdate
from simtandem.cli import bulk_commands
from simtandem.cli.bulk_commands import Output
from simtandem.cli.console import QuietWatcher, TerminalWatcher
from simtandem.errors import InputError, Interrupted
from simtandem.progress import Watcher


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Ours, put back as it was."""
    mine = logging.getLogger("simtandem")
    level, handlers = mine.level, list(mine.handlers)
    yield mine
    mine.setLevel(level)
    mine.handlers[:] = handlers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_first_signal_asks_a_sending_run_to_stop_in_good_order(number: signal.Signals) -> None:
    watcher, stopped = Watcher(), asyncio.Event()
    watcher.on_stop(stopped.set)

    async def work() -> str:
        os.kill(os.getpid(), number)
        await stopped.wait()
        return "what was on its way is finished"

    assert await bulk_commands._stoppable(work(), watcher) == "what was on its way is finished"


async def test_a_second_signal_ends_it_at_once() -> None:
    watcher, stopped = Watcher(), asyncio.Event()
    watcher.on_stop(stopped.set)

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await stopped.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        await bulk_commands._stoppable(work(), watcher)


async def test_a_signal_ends_a_run_that_sends_nothing_at_once() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        await bulk_commands._stoppable(work(), Watcher())


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


def test_quiet_has_a_watcher_that_says_nothing() -> None:
    assert isinstance(Output(quiet=True).watcher(), QuietWatcher)
    assert isinstance(Output().watcher(), TerminalWatcher)


def test_without_a_terminal_nothing_is_sent_unless_that_was_said_before(logger: logging.Logger) -> None:
    with pytest.raises(InputError, match="--yes"):
        bulk_commands.apply(BulkUpdate(file="devices.csv"), Output(), yes=False)

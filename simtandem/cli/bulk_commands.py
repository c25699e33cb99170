"""What the commands of the command line do, and what they show."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler

from schemas.parameters import BulkUpdate
from simtandem import progress
from simtandem.cli import console as shown
from simtandem.domain import safety
from simtandem.errors import InputError, Interrupted, PlanRefused, SimtandemError
from simtandem.host.standard_streams import leave_terminal
from simtandem.ledger.records import RunKind
from simtandem.prefect_server.flow_start import Orchestration, run_and_leave
from simtandem.progress import Watcher
from simtandem.runs import prepare, reconcile
from simtandem.runs.fresh_look import note_confirmed
from simtandem.runs.handover import PreparedRun, handing_on
from simtandem.runs.origin import AskedOn
from simtandem.runs.run import Run, RunFolder, kind_of
from simtandem.settings import Settings, load
from simtandem.text.terminal import messages, print_json, results

Result = TypeVar("Result")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks. Results go to `out`, the rest to `err`."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def out(self) -> Console:
        """For results."""
        return results()

    @property
    def err(self) -> Console:
        """For progress, notes and questions."""
        return messages()

    def watcher(self) -> shown.TerminalWatcher | shown.QuietWatcher:
        """Who looks on while the command runs."""
        return shown.QuietWatcher() if self.quiet else shown.TerminalWatcher(self.err)

    def log(self) -> None:
        """Send our own log to stderr, as much of it as was asked for."""
        level = logging.INFO if self.verbose else logging.ERROR
        handler = RichHandler(console=self.err, show_path=False, markup=False, highlighter=NullHighlighter())
        handler.setLevel(level)
        logger = logging.getLogger("simtandem")
        for earlier in [each for each in logger.handlers if isinstance(each, RichHandler)]:
            logger.removeHandler(earlier)  # of a command before this one, as in the demonstration
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def look(kind: Literal["plan", "reconcile"], request: BulkUpdate, output: Output) -> int:
    """Compare a file with the carrier; show it. Returns the exit code."""
    output.log()
    with output.watcher() as watcher:
        run = Run.begin(request, RunKind(kind), load(), asked_on=AskedOn.TERMINAL)
        try:
            with run.failing():
                document, _ = asyncio.run(_stoppable(reconcile.compare(run), watcher))
        finally:
            run.close()
    if output.as_json:
        print_json(document)
    else:
        told = document.get("refusal", "")
        shown.show_plan(output.out, document, _notes(run.folder), prepare.problems(run.folder), told)
        if kind == "reconcile":
            shown.show_result(output.out, document)
        shown.show_files(output.out, document)
    return int(document["exit_code"])


def apply(request: BulkUpdate, output: Output, *, yes: bool) -> int:
    """Bring the devices of a file to a status; show it. Returns the exit code."""
    ask = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if not yes and not ask:
        raise InputError("There is no terminal to ask on, so --yes is needed. Nothing was sent.")
    output.log()
    with output.watcher() as watcher:
        settings = load()
        settings.token()
        document = run_and_leave(_stoppable(_apply(request, settings, output, ask=ask), watcher))
    if document is None:
        raise Interrupted("Not confirmed. Nothing was sent.")
    if output.as_json:
        print_json(document)
    else:
        shown.show_result(output.out, document)
        shown.show_files(output.out, document)
    return int(document["exit_code"])


async def _apply(request: BulkUpdate, settings: Settings, output: Output, *, ask: bool) -> dict[str, Any] | None:
    """The run's document, or None where the operator said no."""
    run = Run.begin(request, kind_of(request), settings, asked_on=AskedOn.TERMINAL)
    try:
        with run.failing():
            if not await _carry_out(run, output, ask=ask):
                return None
    except SimtandemError as error:
        if not run.folder.has("document.json"):
            raise
        return _ended_by(error, run, output)
    finally:
        run.close()
    return run.folder.data("document.json")


def _ended_by(error: SimtandemError, run: Run, output: Output) -> dict[str, Any]:
    """What is told of a run that an error ended after it was planned: its document with the error, as JSON.

    A terminal is shown what the document says; then the error is raised on.
    """
    document = run.folder.data("document.json")
    if output.as_json:
        output.err.print(f"{type(error).__name__}: {error}", markup=False, soft_wrap=True)
        return {**document, "exit_code": error.exit_code, "error": type(error).__name__, "message": str(error)}
    if isinstance(error, PlanRefused):
        _show_refused(run, output)
    else:
        shown.show_result(output.out, document)
        shown.show_files(output.out, document)
    raise error


def _show_refused(run: Run, output: Output) -> None:
    """The plan that is refused, and where it is to be reviewed."""
    if run.folder.has("document.json"):
        document = run.folder.data("document.json")
        shown.show_plan(output.out, document, _notes(run.folder), prepare.problems(run.folder))
        shown.show_files(output.out, {"files": {"plan": document["files"]["plan"]}})


async def _carry_out(run: Run, output: Output, *, ask: bool) -> bool:
    """Run the flow, after asking if so wished. False where the operator said no; raises what ended the run."""
    prepare.read_devices(run)
    async with Orchestration(run.settings) as prefect:
        if ask:
            await reconcile.prepare(run)
            if not await _agreed(run, output):
                run.decline()
                return False
        progress.current().begins("starting Prefect" if prefect.own else "reporting to Prefect")
        await prefect.ready()
        with handing_on(PreparedRun.of(run)):
            error = await prefect.run(run.request, begins=_hear_signals_again())
    if error is not None:
        raise error
    return True


async def _agreed(run: Run, output: Output) -> bool:
    """Show the plan and ask. A plan without changes needs no question."""
    intake, plan = run.folder.intake(), run.folder.plan_counts()
    billing = {"for_good": plan["billed_for_good"], "limit": plan["newly_billed_limit"]}
    told = {"digest": plan["digest"], "input": intake, "plan": plan, "billing": billing}
    shown.show_plan(output.err, told, _notes(run.folder), prepare.problems(run.folder))
    changes = plan["sim_changes"] + plan["endpoint_changes"]
    if not changes:
        return True
    agreed = await _said_yes(run, plan["billed_for_good"], output)
    if agreed:
        note_confirmed(run)
    return agreed


async def _said_yes(run: Run, for_good: int, output: Output) -> bool:
    """Ask; where many SIMs would be activated for good, for their number, which nobody types by habit."""
    host, err = run.settings.carrier_host, output.err
    if for_good <= run.settings.confirm_newly_billed or run.request.accept_large:
        err.print(f"Send these changes to {host}? [y/N] ", end="")
        return (await _typed_line()).strip().lower() in ("y", "yes")
    err.print(safety.for_good(for_good), markup=False, soft_wrap=True)
    err.print(f"To send these changes to {host}, type the number of these SIMs: ", end="", markup=False)
    return (await _typed_line()).strip().replace(",", "") == str(for_good)


async def _typed_line() -> str:
    """A line from the terminal. Until one is there the event loop goes on, or a Ctrl-C would be heard only after it."""
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()


async def _stoppable(work: Awaitable[Result], watcher: Watcher) -> Result:
    """Do the work. A first Ctrl-C asks it to stop in good order, a second one ends it at once."""
    task = asyncio.ensure_future(work)
    watcher.hears_signals = True
    _hear_signals(task, watcher)
    try:
        return await task
    except asyncio.CancelledError:
        raise Interrupted("Stopped. What was sent is recorded; run it again to go on.") from None
    finally:
        for number in _SIGNALS:  # from here on the loop hears nothing any more
            asyncio.get_running_loop().remove_signal_handler(number)


def _hear_signals(task: "asyncio.Future[Any]", watcher: Watcher) -> None:
    def interrupted() -> None:
        if watcher.stop_requested or not watcher.can_stop:
            task.cancel()
        else:
            watcher.stop()
            watcher.notes("Stopping: nothing new is sent; once more Ctrl-C ends at once.")

    def hung_up() -> None:
        leave_terminal()
        interrupted()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, hung_up if number is signal.SIGHUP else interrupted)


def _hear_signals_again() -> Callable[[], None]:
    """What gives this task its signals back: Prefect takes SIGTERM for itself when a flow begins."""
    task, watcher = asyncio.current_task(), progress.current()
    return lambda: _hear_signals(task, watcher) if task is not None and watcher.hears_signals else None


def _notes(folder: RunFolder) -> list[str]:
    notes: list[str] = folder.data("intake.json")["notes"]
    return notes

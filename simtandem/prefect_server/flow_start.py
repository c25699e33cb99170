"""Starts flows with a Prefect server to report to: the one `PREFECT_API_URL` names, or an embedded one.

The run's record is the ledger, and its result is in its folder: Prefect shows both, and a run never waits long for it.
An embedded server that dies or freezes is started again, once or twice; then the run continues without it.
"""

import asyncio
import contextlib
import logging
import urllib.request
from collections.abc import Callable, Coroutine
from functools import wraps
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from schemas.parameters import BulkUpdate
from simtandem import progress
from simtandem.errors import Interrupted, OrchestrationError
from simtandem.host import process_exit
from simtandem.host.importing import without_collecting, without_http2
from simtandem.prefect_server.credential import own_credential
from simtandem.prefect_server.embedded_server import EmbeddedServer
from simtandem.prefect_server.prefect_settings import prepare_client
from simtandem.prefect_server.server_identity import ANSWERS_WITHIN_S
from simtandem.settings import Settings, pin_paths, prefect_api_url

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

Result = TypeVar("Result")

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_RESTARTS = 2
_SILENT_TIMES = 3  # looks without an answer, for a server that simtandem did not start
_GIVEN_UP_AFTER = 60  # such looks
_CLEANS_UP_WITHIN_S = 5.0  # a flow that is cancelled: what is on its way is recorded
_TOLD_WITHIN_S = 30.0  # the end of a run, to a server that answers
_UNANSWERED = 3  # looks in vain after the end of a run: then the end is not reported to Prefect


class Orchestration:
    """A Prefect API for the run inside the `async with` block. It boots in the background; `ready` waits for it."""

    def __init__(self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._named = prefect_api_url()
        self.own = self._named is None
        self._settings = settings
        self._home = settings.home / "prefect"
        self._server = EmbeddedServer(self._home, host=host, port=port)
        self._attaching: asyncio.Task[None] | None = None
        self._used = False
        self._abandoned = False

    async def __aenter__(self) -> Self:
        if self.own:
            own_credential()  # a weak one is refused before anything else
            pin_paths(self._settings)  # the server reads the settings, too, and has another working folder
            self._attaching = asyncio.create_task(self._server.attach())
            await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._attaching is not None:
            self._attaching.cancel()
            with contextlib.suppress(asyncio.CancelledError, OrchestrationError):
                await self._attaching
        if self._used:
            process_exit.threads_may_hang()
            if not self._abandoned and await self._answers():
                await _deliver_what_is_queued()
        self._server.let_go()

    async def ready(self) -> str:
        """Wait until the API answers; its URL. Prefect's client gets that URL and is imported meanwhile.

        Raises `OrchestrationError`.
        """
        if self._attaching is not None:
            await self._attaching
        url = self._named or self._server.url
        await asyncio.to_thread(prepare_client, self._settings, url, own=self.own)
        imported = asyncio.create_task(asyncio.to_thread(_import_flow))
        if self.own:
            await self._server.ready()
        elif not await self._answers():
            raise OrchestrationError(
                f"No Prefect server answers at PREFECT_API_URL ({url}). Nothing was sent.\n"
                "Start it, or unset PREFECT_API_URL to use an embedded one."
            )
        self._used = True
        logging.raiseExceptions = False  # log lines that a server does not take are no news for a terminal
        await imported
        return url

    async def keep_up(self) -> None:
        """Start the embedded server again if it is gone, also one that another process had started."""
        if self.own and await self._server.gone():
            await self._server.again()

    async def run(self, request: BulkUpdate, begins: Callable[[], None] = lambda: None) -> BaseException | None:
        """Run the flow in this process, against the API that is `ready`. Returns the error that ended it, if one did.

        `begins` is called when Prefect has made its preparations, its signal handler among them.

        Returns soon after the run's own end, also if the server is gone, and soon after it is cancelled. Raises
        `OrchestrationError` where the server was lost permanently before the run began.
        """
        run = _FlowRun(request, begins)
        guard = asyncio.create_task(self._guard())
        try:
            await _first(run.flow, run.ended, guard)
            if not run.flow.done() and not run.ended.done():
                if not run.begun:
                    await self._cancel(run)
                    raise OrchestrationError(
                        "The Prefect server was lost before the run began. Nothing was sent.\nRun again."
                    )
                await _first(run.flow, run.ended)
            guard.cancel()
            await self._tell_the_end(run.flow)
        except asyncio.CancelledError:
            await self._cancel(run)
            raise
        finally:
            guard.cancel()
        return await run.error()

    async def _guard(self) -> None:
        """Look after the server while the run continues. Returns once it is given up."""
        losses = silent = 0
        while losses <= _RESTARTS and silent < _GIVEN_UP_AFTER:
            await asyncio.sleep(_LOOK_S)
            if not self.own:
                silent = 0 if await self._answers() else silent + 1
                if silent == _SILENT_TIMES:
                    _note("The Prefect server does not answer.")
            elif await self._server.gone():
                losses += 1
                if losses == 1:
                    _note("The Prefect server has ended or does not answer; it is started again.")
                try:
                    await self._server.again()
                except OrchestrationError as error:
                    log.warning("%s", error)

    async def _tell_the_end(self, flow: "asyncio.Task[Any]") -> None:
        """The run has ended: report that to Prefect, as long as it answers."""
        unanswered, give_up = 0, asyncio.get_running_loop().time() + _TOLD_WITHIN_S
        while not flow.done() and unanswered < _UNANSWERED and asyncio.get_running_loop().time() < give_up:
            await asyncio.wait({flow}, timeout=_LOOK_S)
            if not flow.done():
                unanswered = 0 if await self._answers(_LOOK_S) else unanswered + 1
        self._abandoned = not flow.done()

    async def _cancel(self, run: "_FlowRun") -> None:
        run.flow.cancel()
        if run.begun:
            await _first(run.flow, run.ended, within_s=_CLEANS_UP_WITHIN_S)
        await asyncio.wait({run.flow}, timeout=_LOOK_S)
        self._abandoned = not run.flow.done()
        if run.flow.done() and not run.flow.cancelled():
            run.flow.exception()  # the cancelling is what is raised

    async def _answers(self, within_s: float = ANSWERS_WITHIN_S) -> bool:
        if self.own:
            return await self._server.answers(within_s)
        return await asyncio.to_thread(_healthy, self._named, within_s)


def run_and_leave(work: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, for the last thing a process does: neither threads nor tasks that are left are waited for."""
    runner = asyncio.Runner()
    try:
        return runner.run(work)
    finally:
        process_exit.threads_may_hang()  # one may be importing Prefect, or asking a server that is frozen


class _FlowRun:
    """The flow under way. `ended` is done as soon as its own part has ended, before that is reported to Prefect."""

    def __init__(self, request: BulkUpdate, begins: Callable[[], None]) -> None:
        self._begins = begins
        self.begun = False
        self.ended: asyncio.Future[State[Any] | BaseException] = asyncio.get_running_loop().create_future()
        self.flow = asyncio.create_task(self._flow(request))

    async def _flow(self, request: BulkUpdate) -> "State[Any]":
        from flows.bulk_update import bulk_update

        mine = bulk_update.with_options()
        mine.fn = self._watched(mine.fn)
        told: State[Any] = await mine(request, return_state=True)
        return told

    def _watched(self, body: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        @wraps(body)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            self.begun = True
            self._begins()
            try:
                state = await body(*args, **kwargs)
            except BaseException as error:
                self._end(error)
                raise
            self._end(state)
            return state

        return watched

    def _end(self, end: "State[Any] | BaseException") -> None:
        if not self.ended.done():
            self.ended.set_result(end)

    async def error(self) -> BaseException | None:
        """The error that ended the run, if one did. Call it when either has ended."""
        from prefect.exceptions import TerminationSignal

        try:
            end = self.flow.result() if self.flow.done() else self.ended.result()
        except TerminationSignal as signalled:
            end = signalled
        if isinstance(end, TerminationSignal):
            return Interrupted("Stopped before anything was sent.")
        if isinstance(end, BaseException):
            return end
        result = await end.aresult(raise_on_failure=False) if end.data is not None else None
        return result if isinstance(result, BaseException) else None


async def _first(*ends: "asyncio.Future[Any]", within_s: float | None = None) -> None:
    """Wait until one of them is done."""
    await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)


async def _deliver_what_is_queued() -> None:
    """Give the events and log lines that are still queued a few seconds to reach the server."""

    def deliver() -> None:
        from prefect.events.worker import EventsWorker

        EventsWorker.drain_all(timeout=_CLEANS_UP_WITHIN_S)

    await asyncio.wait({asyncio.create_task(asyncio.to_thread(deliver))}, timeout=_CLEANS_UP_WITHIN_S + _LOOK_S)


def _import_flow() -> None:
    with without_collecting(), without_http2():
        import_module("flows.bulk_update")


def _note(sentence: str) -> None:
    told = f"{sentence} The run continues: its record is the ledger."
    log.info(told)
    progress.current().message(told)


def _healthy(url: str | None, within_s: float = ANSWERS_WITHIN_S) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=within_s) as answer:  # noqa: S310 - http, the operator's
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False

"""Metrics for Prometheus, at a port of this machine: what runs came to, what the rate limits have left.

Off unless SIMTANDEM_METRICS_PORT is set. They say how many, never which: no run, device or file is a label, and nothing
secret is read for them. Names of accounts and of hosts are labels.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.call_budget import CallsLeft
from schemas.hosts import is_loopback
from simtandem import __version__
from simtandem.carriers.calls_left import bounding_window, calls_left
from simtandem.errors import InputError, SimtandemError
from simtandem.ledger import call_slots
from simtandem.ledger.call_holders import by_kind_and_host
from simtandem.ledger.store import Ledger
from simtandem.ledger.totals import Totals
from simtandem.settings import Settings, account_names, load

_READ_EVERY_S = 10.0
_HERE = "127.0.0.1"


class RunMetrics(Collector):
    """What the ledger and the call budgets of a home say, read where it is asked for, every few seconds at most."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._totals = Totals()
        self._read_at = float("-inf")
        self._readable = False
        self._left: dict[str, CallsLeft] = {}
        self._held: dict[tuple[str, str, str], int] = {}

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        with self._lock:
            if self._clock() - self._read_at >= _READ_EVERY_S:
                self._read_at = self._clock()
                self._read()
            return [*self._of_the_ledger(), *self._of_the_budgets()]

    def _read(self) -> None:
        try:
            with Ledger.open(self._settings.ledger()) as ledger:
                self._totals.read(ledger)
                self._left = dict(_left_by_account(ledger))
                self._held = {
                    (name, *holder): count
                    for name, left in self._left.items()
                    for holder, count in by_kind_and_host(ledger.database, left.holders).items()
                }
        except SimtandemError:
            self._readable = False
        else:
            self._readable = True

    def _of_the_ledger(self) -> Iterator[Metric]:
        totals = self._totals
        yield _gauge("simtandem_info", "The version of simtandem.", ["version"], [((__version__,), 1)])
        yield _gauge("simtandem_ledger_readable", "1 where the ledger could be read.", [], [((), int(self._readable))])
        size = "Bytes of the ledger's database."
        yield _gauge("simtandem_ledger_bytes", size, [], [((), totals.ledger_bytes)])
        runs = "Runs by kind and state; one whose process is gone is interrupted."
        yield _gauge("simtandem_runs", runs, ["kind", "state"], totals.runs.items())
        devices = "Rows of the runs that ended, by verdict."
        yield _counter("simtandem_devices", devices, ["account", "verdict"], totals.verdicts.items())
        made = totals.calls_made()
        calls, throttled = "Calls to the carrier.", "Calls that the carrier answered with HTTP 429."
        yield _counter("simtandem_calls", calls, ["account"], [((name,), count) for name, (count, _) in made.items()])
        yield _counter(
            "simtandem_throttled", throttled, ["account"], [((name,), count) for name, (_, count) in made.items()]
        )
        now, since = datetime.now(UTC), "Seconds since the last audit that came to its end."
        ages = [((name,), (now - at).total_seconds()) for name, at in totals.audited.items()]
        yield _gauge("simtandem_last_audit_age_seconds", since, ["account"], ages)

    def _of_the_budgets(self) -> Iterator[Metric]:
        left = [((name,), each.left) for name, each in self._left.items()]
        yield _gauge("simtandem_calls_left", "Calls that the rate limit has left just now.", ["account"], left)
        allowed = [((name,), each.calls) for name, each in self._left.items()]
        yield _gauge("simtandem_calls_allowed", "Calls in a window of the rate limit.", ["account"], allowed)
        held = "Calls that count in the window now, by who made them; known where hosts share the ledger."
        yield _gauge("simtandem_calls_held", held, ["account", "kind", "host"], self._held.items())


def _left_by_account(ledger: Ledger) -> Iterator[tuple[str, CallsLeft]]:
    """What the rate limit of each account has left: of this host's runs, or of all that share the ledger."""
    try:
        names = account_names()
    except InputError:  # the file is being edited: what it says then is said by every command
        names = []
    for name in names:
        try:
            settings = load(name)
        except InputError:
            continue
        shared = ledger.database.is_postgres
        window = bounding_window(settings)
        found = call_slots.calls_left(ledger.database, settings.slots_pool, window) if shared else calls_left(settings)
        if found is not None:
            yield name, found


Values = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, what: str, labels: list[str], values: Values) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _counter(name: str, what: str, labels: list[str], values: Values) -> Metric:
    family = CounterMetricFamily(name, what, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


class MetricsServer:
    """Serves them on loopback until the end of the `with` block. Raises `InputError` where the port is taken."""

    def __init__(self, settings: Settings) -> None:
        registry = CollectorRegistry()
        registry.register(RunMetrics(settings))
        app = _for_this_machine(make_wsgi_app(registry))
        try:
            self._server = make_server(_HERE, settings.metrics_port or 0, app, _Server, _Quiet)
        except OSError as error:
            raise InputError(
                f"SIMTANDEM_METRICS_PORT: port {settings.metrics_port} of {_HERE} can't be had ({error.strerror}). "
                "Nothing was started. Choose another port."
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def address(self) -> str:
        """Where they are."""
        return f"http://{_HERE}:{self._server.server_port}/metrics"

    def __enter__(self) -> "MetricsServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_: Any) -> None:
        pass


def _for_this_machine(app: Callable[..., Any]) -> Callable[..., Any]:
    """The same app for requests to this machine's own names: no page elsewhere can take it for its own."""

    def guarded(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        try:
            host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
        except ValueError:
            host = ""
        if not is_loopback(host) or environ.get("PATH_INFO") != "/metrics":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        return app(environ, start)

    return guarded

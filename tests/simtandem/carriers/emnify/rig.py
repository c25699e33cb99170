"""What the tests of the adapter stand on: a journal in memory, a clock that jumps, carriers that answer as told."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import jwt
import polars as pl

from schemas.statuses import EndpointStatus, Outcome, SimStatus
from schemas.tables import Devices, empty
from simtandem.carriers.emnify.endpoint_writer import EndpointWriter
from simtandem.carriers.emnify.reader import Reader
from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.carriers.emnify.transport import Limits, Transport
from simtandem.carriers.host_slots import HostSlots
from simtandem.carriers.protocol import Answer, Call, Change, StepResult
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.carriers.refused_tokens import RefusedTokens
from simtandem.carriers.sharing import turn_of_host
from simtandem.emulator.server import Emulator

APPLICATION_TOKEN = "application-token-that-must-stay-secret"
FIRST_SIM, FIRST_ENDPOINT = 10_000_001, 20_000_001

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing is encrypted here, and loading certificates takes longer than most tests."""

Handler = Callable[[httpx.Request], httpx.Response]


class MemoryJournal:
    """Notes what is handed to it, in the order it comes. `writing` is set once a PATCH is about to leave."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Call | Answer]] = []
        self.writing = asyncio.Event()

    async def intent(self, call: Call) -> str:
        ident = f"call-{len(self.lines)}"
        self.lines.append((ident, call))
        if call.method == "PATCH":
            self.writing.set()
        return ident

    async def answer(self, call_id: str, answer: Answer) -> None:
        self.lines.append((call_id, answer))

    @property
    def calls(self) -> list[Call]:
        return [line for _, line in self.lines if isinstance(line, Call)]

    @property
    def answers(self) -> list[Answer]:
        return [line for _, line in self.lines if isinstance(line, Answer)]

    def sent(self, *methods: str) -> list[tuple[str, int]]:
        """Purpose and attempt of the calls with these methods."""
        return [(call.purpose, call.attempt) for call in self.calls if call.method in methods]

    def unanswered(self) -> list[str]:
        told = Counter(ident for ident, _ in self.lines)
        return [ident for ident, times in told.items() if times != 2]


class QuickTime:
    """A clock that jumps to the end of every sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class ScriptedCarrier:
    """Lets everybody in, and answers the other calls with what it was given, in turn; the last of it for ever."""

    def __init__(self, *script: Handler) -> None:
        self._script = list(script)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/authenticate"):
            return logged_in()
        self.requests.append(request)
        return (self._script.pop(0) if len(self._script) > 1 else self._script[0])(request)

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


class Proxy(httpx.AsyncHTTPTransport):
    """What may stand between us and the carrier: keeps pages small, drops filters, drops the headers of paging.

    `after` says what happens once the n-th page was answered, counted from 1.
    """

    def __init__(self, *, per_page: int | None = None, filters: bool = True, drops: tuple[str, ...] = ()) -> None:
        super().__init__(verify=NO_CERTIFICATES)
        self._per_page, self._filters, self._drops = per_page, filters, drops
        self.after: dict[int, Callable[[], object]] = {}
        self.queries: list[dict[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "page" not in request.url.params:
            return await super().handle_async_request(request)
        self.queries.append(dict(request.url.params))
        if self._per_page:
            request.url = request.url.copy_set_param("per_page", str(self._per_page))
        if not self._filters:
            request.url = request.url.copy_remove_param("q")
        number = len(self.queries)
        response = await super().handle_async_request(request)
        for name in self._drops:
            del response.headers[name]
        self.after.pop(number, int)()
        return response


class Rig:
    """The adapter's parts put together as the client does, with the rig's clock and journal."""

    def __init__(self, home: Path, http: httpx.AsyncClient, token: str, time: QuickTime | None = None) -> None:
        self.time, self.journal = time or QuickTime(), MemoryJournal()
        slots = HostSlots(Path(":memory:"), clock=self.time.clock)
        self.budget = CallBudget(slots, clock=self.time.clock, sleep=self.time.sleep)
        limits = Limits(Window("calls", 1_000_000, 300.0), Window("authenticate", 1_000_000, 300.0))
        self.refused = RefusedTokens(home / "refused-tokens.json")
        self.transport = Transport(http, self.budget, self.journal, limits, token, self.refused, sleep=self.time.sleep)
        self.reader = Reader(self.transport, 8, clock=self.time.clock)
        self.endpoints = EndpointWriter(self.transport, self.reader, turn_of_host(home / "endpoint-writes.lock"))


@asynccontextmanager
async def scripted(home: Path, handler: Handler) -> AsyncIterator[Rig]:
    """A rig whose carrier is a function."""
    async with httpx.AsyncClient(
        base_url="https://carrier.test", transport=httpx.MockTransport(handler), verify=NO_CERTIFICATES
    ) as http:
        rig = Rig(home, http, APPLICATION_TOKEN)
        yield rig
        rig.budget.close()


@asynccontextmanager
async def emulated(
    home: Path, carrier: Emulator, time: QuickTime | None = None, proxy: Proxy | None = None
) -> AsyncIterator[Rig]:
    """A rig whose carrier is the emulator, on its port, perhaps behind a proxy."""
    async with httpx.AsyncClient(base_url=carrier.url, transport=proxy, verify=NO_CERTIFICATES) as http:
        rig = Rig(home, http, carrier.token, time)
        yield rig
        rig.budget.close()


BEARER = jwt.encode({"exp": 4_000_000_000}, "x" * 64)


def logged_in(token: str = BEARER) -> httpx.Response:
    """The answer to a login that succeeds."""
    return httpx.Response(200, json={"auth_token": token, "refresh_token": "refresh-secret"})


def says(status: int, body: object = None, /, text: str | None = None, **headers: str) -> Handler:
    """An answer of the carrier: JSON, or any text, or nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(_request: httpx.Request) -> httpx.Response:
        if text is not None:
            return httpx.Response(status, text=text, headers=named)
        return httpx.Response(status, headers=named) if body is None else httpx.Response(status, json=body)

    return answer


def breaks(error: type[httpx.HTTPError]) -> Handler:
    """No answer."""

    def fail(request: httpx.Request) -> httpx.Response:
        message = f"to {request.url}, with {request.headers.get('Authorization')}"
        if issubclass(error, httpx.RequestError):
            raise error(message, request=request)
        raise error(message)

    return fail


def sim(status: int, **more: object) -> dict[str, object]:
    """A SIM as the carrier shows it."""
    return {"id": 1, "iccid": "8988303000000000001", "status": {"id": status}, **more}


SIM_PATH = f"/api/v1/sim/{FIRST_SIM}"
GOOD = says(200, sim(1))
ON_CALL = Call("PATCH", SIM_PATH, "change", body='{"status": {"id": 1}}')


async def get(rig: Rig) -> Kind:
    """Read the first SIM; what kind of answer came."""
    return (await rig.transport.get(SIM_PATH, spacing="sim", purpose="read")).kind


def outcomes(results: Iterable[StepResult]) -> list[Outcome]:
    """How they ended."""
    return [result.outcome for result in results]


def sim_change(
    number: int = FIRST_SIM,
    before: SimStatus = SimStatus.ISSUED,
    after: SimStatus = SimStatus.ACTIVATED,
) -> Change:
    """A SIM to be changed; its row is 2."""
    return Change(2, str(number), before, after)


def endpoint_changes(
    numbers: Iterable[int],
    before: EndpointStatus = EndpointStatus.DISABLED,
    after: EndpointStatus = EndpointStatus.ENABLED,
) -> list[Change]:
    """Endpoints to be changed, in rows from 2 on."""
    return [Change(row, str(number), before, after) for row, number in enumerate(numbers, start=2)]


def calls_to(carrier: Emulator) -> dict[str, int]:
    """How often each route was called, logins apart."""
    routes: dict[str, int] = carrier.stats()["by_route"]
    return {route: count for route, count in routes.items() if not route.endswith("/authenticate")}


def asked(**ids: Iterable[int | str | None]) -> pl.DataFrame:
    """Devices as an input file names them, by any of `sim_id`, `endpoint_id` and `iccid`."""
    columns = {name: [None if each is None else str(each) for each in given] for name, given in ids.items()}
    height = len(next(iter(columns.values())))
    frame = pl.DataFrame(
        {
            "row": range(2, height + 2),
            **{name: columns.get(name, [None] * height) for name in ("sim_id", "endpoint_id", "iccid")},
            "desired": ["activated"] * height,
            "owners": [None] * height,
        },
        schema=empty(Devices).schema,
    )
    return Devices.validate(frame)

"""AerAdmin's calls, one at a time: read a device, ask for another state of it."""

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from simtandem import __version__
from simtandem.carriers.aeris.aeradmin.key_transport import KeyTransport
from simtandem.carriers.aeris.aeradmin.response_mapping import DeviceAnswer, read_device, read_reply
from simtandem.carriers.aeris.aeradmin.state_change import StateChangeCall
from simtandem.carriers.aeris.paths import AERADMIN_DETAILS as DETAILS
from simtandem.carriers.aeris.paths import AERADMIN_ROOT as ROOT
from simtandem.carriers.http_call import Content, Reply, Sender
from simtandem.carriers.protocol import Call, Fresh, Journal, always_fresh
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.carriers.response_body import ACCEPT_ENCODING
from simtandem.errors import CarrierRefused
from simtandem.text.redaction import learn

_TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=None)


@dataclass(frozen=True, slots=True)
class Access:
    """Where and as whom to call. `calls` in `window_s` and `at_once` are a choice of caution: no limit is published."""

    base_url: str
    account_id: str
    email: str
    api_key: str = field(repr=False)
    calls: int = 1
    window_s: float = 1.0
    at_once: int = 1


class AerAdminClient:
    """Sends each call once, and says what its answer means. Use as an async context manager.

    The key is in no address that the client knows of, in no record and in no message. `transport` is there for tests.
    """

    def __init__(
        self,
        access: Access,
        budget: CallBudget,
        journal: Journal,
        *,
        state_change: StateChangeCall | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        learn(access.api_key)
        self._access = access
        self._state_change = state_change
        self._windows = (Window("aeradmin", access.calls, access.window_s),)
        self._turns = asyncio.Semaphore(access.at_once)
        self._http = httpx.AsyncClient(
            base_url=access.base_url,
            transport=KeyTransport(transport or httpx.AsyncHTTPTransport(), access.api_key),
            follow_redirects=False,  # the server must not choose who gets the key next
            trust_env=False,
            timeout=_TIMEOUT,
            headers={
                "User-Agent": f"simtandem/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
            },
        )
        self._sender = Sender(self._http, budget, journal)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def details(self, kind: str, ident: str, *, purpose: str = "read", attempt: int = 1) -> DeviceAnswer:
        """Read one device by its `ICCID` or `IMSI`."""
        body = {"accountID": self._access.account_id, "email": self._access.email, kind: ident}
        reply = await self._send(Call("POST", DETAILS, purpose, attempt), json.dumps(body).encode())
        return read_device(reply, kind, ident)

    async def change(self, kind: str, ident: str, word: str, *, attempt: int = 1, fresh: Fresh = always_fresh) -> Reply:
        """Ask for another state, in the words of the call that was described.

        `OK` says that AerAdmin took the call, not that the state is there: read the device. Raises `CarrierRefused`
        where the call was never described.
        """
        if self._state_change is None:
            raise CarrierRefused(
                "Aeris does not publish the call that changes a state, so simtandem knows none. Nothing was sent. "
                "Describe it in the settings: AerAdmin 5 REST API Reference, section 6.7, Update Device State.",
                "unknown_call",
            )
        who = {"account": self._access.account_id, "email": self._access.email}
        path, body = self._state_change.filled(who | {"id_kind": kind, "id": ident, "word": word})
        recorded = None if body is None else body.decode()
        call = Call(self._state_change.method, ROOT + path, "change", attempt, recorded, fresh)
        return await self._send(call, body)

    async def _send(self, call: Call, body: bytes | None) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        async with self._turns:
            return await self._sender.send(call, Content(headers=headers, body=body), self._windows, read_reply)

"""AerAdmin's calls, one at a time: read a device, ask for another state of it."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import httpx

from simtandem import __version__
from simtandem.carriers.aeris.aeradmin.key_transport import KeyTransport
from simtandem.carriers.aeris.aeradmin.response_mapping import DeviceAnswer, read_device, read_reply
from simtandem.carriers.aeris.aeradmin.state_change import StateChangeCall
from simtandem.carriers.aeris.paced import TRY_AGAIN, known_refused, pause
from simtandem.carriers.aeris.paths import AERADMIN_DETAILS as DETAILS
from simtandem.carriers.aeris.paths import AERADMIN_ROOT as ROOT
from simtandem.carriers.http_call import Content, Kind, Reply, Sender, trusted
from simtandem.carriers.protocol import Call, Fresh, Journal, always_fresh
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.carriers.refused_tokens import RefusedTokens
from simtandem.carriers.response_body import ACCEPT_ENCODING
from simtandem.errors import AuthenticationFailed, CarrierRefused, Interrupted
from simtandem.host.file_lock import lock_file, taken
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

    Once the key was refused, every later call raises `AuthenticationFailed` instead of being sent.

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
        refused: RefusedTokens | None = None,
    ) -> None:
        learn(access.api_key)
        self._access = access
        self._state_change = state_change
        self._windows = (Window("aeradmin", access.calls, access.window_s),)
        self._turns = asyncio.Semaphore(access.at_once)
        below = transport or httpx.AsyncHTTPTransport(verify=trusted(access.base_url))
        self._http = httpx.AsyncClient(
            base_url=access.base_url,
            transport=KeyTransport(below, access.api_key),
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
        self._key_refused: Reply | None = None
        self._budget = budget
        self._refused, self._secret = refused, f"{access.account_id}\n{access.email}\n{access.api_key}"
        self._first = asyncio.Lock()
        self._key_tried = refused is None

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
        waiting = replace(call, fresh=lambda: self._key_accepted() and call.fresh())
        content = Content(headers=headers, body=body)
        async with self._turns:
            if self._key_tried or self._refused is None:
                return await self._once(waiting, content)
            async with self._first:
                return await self._try_key(waiting, content, self._refused)

    async def _once(self, call: Call, content: Content) -> Reply:
        self._key_accepted()
        reply = await self._sender.send(call, content, self._windows, read_reply)
        if reply.kind is Kind.UNAUTHORIZED:
            self._key_refused = reply
            if self._refused is not None:
                await asyncio.to_thread(self._refused.remember, self._secret, f"HTTP {reply.status}")
        return reply

    async def _try_key(self, call: Call, content: Content, refused: RefusedTokens) -> Reply:
        """The first call with this key: one of many processes sends it, and the others read what it found.

        Raises `AuthenticationFailed` where an earlier process was refused with this key: then no call is sent.
        """
        if self._key_tried:  # by a call that was before this one in the line
            return await self._once(call, content)
        self._key_accepted()
        lock = lock_file(refused.lock_file)
        try:
            while not taken(lock):
                if self._budget.stopped(follows_up=call.follows_up):
                    raise Interrupted("Stopped while another process tries the key; nothing was sent.")
                await pause(1)
            if known := await asyncio.to_thread(refused.refusal_of, self._secret):
                raise known_refused(known, "this key")
            reply = await self._once(call, content)
            self._key_tried = reply.kind in (Kind.OK, Kind.REFUSED)
            return reply
        finally:
            lock.release()

    def _key_accepted(self) -> bool:
        """Raises `AuthenticationFailed` once the key was refused: no call begins after that."""
        if self._key_refused is not None:
            raise key_refused(self._key_refused)
        return True


def key_refused(reply: Reply) -> AuthenticationFailed:
    """What is raised where the key was refused with this reply."""
    return AuthenticationFailed(
        f"AerAdmin: {reply.sentence}. A key that has ended is deleted without notice: make one in AerPort, set "
        f"SIMTANDEM_AERADMIN_API_KEY, or `token` of the named account, to it, then run again.{TRY_AGAIN}"
    )

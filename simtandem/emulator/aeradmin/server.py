"""Starting and stopping the emulated AerAdmin: in a thread for tests, or while a command runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

from simtandem.emulator.aeradmin.account import ACCOUNT, API_KEY, EMAIL, Account
from simtandem.emulator.aeradmin.api import AerAdmin
from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.aeradmin.control import AerAdminControl
from simtandem.emulator.aeradmin.devices import DeviceGroup
from simtandem.emulator.aeradmin.state_change import StateChange
from simtandem.emulator.aeradmin.states import State
from simtandem.emulator.front_door import HttpFaultRule
from simtandem.emulator.serving import serve_until_interrupted
from simtandem.emulator.site import SiteServer


class AerAdminEmulator(SiteServer[Account]):
    """The emulated AerAdmin, from `with` to the end of the block; `url` is its host's, without `AerAdmin_WS_5_0`.

    `devices` is a number (a mixture) or groups; `behaviour` takes the names of `AerAdminBehaviour`. Without a
    `state_change` no state can be changed, as what that call looks like is known to nobody. `keys` maps keys to when
    they end (None: never).
    """

    def __init__(
        self,
        devices: int | Iterable[DeviceGroup] = 0,
        *,
        account: str = ACCOUNT,
        keys: Mapping[str, float | None] | None = None,
        state_change: StateChange | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **behaviour: object,
    ) -> None:
        first = AerAdminBehaviour()
        first.change(**behaviour)
        site = Account(
            devices,
            account=account,
            keys=keys,
            state_change=state_change,
            behaviour=first,
            clock=clock,
            sleep=sleep,
        )
        super().__init__(site, AerAdmin(site, AerAdminControl(site)), port)


def serve(
    port: int,
    devices: int | Iterable[DeviceGroup],
    *,
    state_change: StateChange | None = None,
    on_ready: Callable[[str], None] | None = None,
    behaviour: AerAdminBehaviour | None = None,
) -> None:
    """Serve until interrupted (Ctrl-C returns). `on_ready` gets the URL once it answers; port 0 picks a free one."""

    def application() -> AerAdmin:
        site = Account(devices, state_change=state_change, behaviour=behaviour)
        return AerAdmin(site, AerAdminControl(site))

    serve_until_interrupted(port, application, on_ready)


__all__ = [
    "ACCOUNT",
    "API_KEY",
    "EMAIL",
    "AerAdminBehaviour",
    "AerAdminEmulator",
    "DeviceGroup",
    "HttpFaultRule",
    "State",
    "StateChange",
    "serve",
]

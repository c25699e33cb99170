"""Starting and stopping the emulated IoT Accelerator: in a thread for tests, or while a command runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from simtandem.emulator.iot_accelerator.api import IotAccelerator
from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.company import Company, IotFaultRule
from simtandem.emulator.iot_accelerator.control import IotAcceleratorControl
from simtandem.emulator.iot_accelerator.logins import CLIENT_ID, PASSWORD, USERNAME
from simtandem.emulator.iot_accelerator.states import State
from simtandem.emulator.iot_accelerator.subscriptions import COMPANY, SubscriptionGroup
from simtandem.emulator.serving import serve_until_interrupted
from simtandem.emulator.site import SiteServer


class IotAcceleratorEmulator(SiteServer[Company]):
    """The emulated platform, from `with` to the end of the block; `url` is where it answers.

    `devices` is a number (a mixture) or groups; `behaviour` takes the names of `IotAcceleratorBehaviour`.
    """

    def __init__(
        self,
        devices: int | Iterable[SubscriptionGroup] = 0,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **behaviour: object,
    ) -> None:
        first = IotAcceleratorBehaviour()
        first.change(**behaviour)
        site = Company(devices, behaviour=first, clock=clock, sleep=sleep)
        super().__init__(site, IotAccelerator(site, IotAcceleratorControl(site)), port)


def serve(
    port: int,
    devices: int | Iterable[SubscriptionGroup],
    *,
    on_ready: Callable[[str], None] | None = None,
    behaviour: IotAcceleratorBehaviour | None = None,
) -> None:
    """Serve until interrupted (Ctrl-C returns). `on_ready` gets the URL once it answers; port 0 picks a free one."""

    def application() -> IotAccelerator:
        site = Company(devices, behaviour=behaviour)
        return IotAccelerator(site, IotAcceleratorControl(site))

    serve_until_interrupted(port, application, on_ready)


__all__ = [
    "CLIENT_ID",
    "COMPANY",
    "PASSWORD",
    "USERNAME",
    "IotAcceleratorBehaviour",
    "IotAcceleratorEmulator",
    "IotFaultRule",
    "State",
    "SubscriptionGroup",
    "serve",
]

"""A platform that answers as told."""

from pathlib import Path

import httpx

from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.rate_limit import CallBudget
from simtandem.emulator.iot_accelerator.server import USERNAME
from tests.simtandem.carriers.aeris.rig import Handler, Recorder, budget
from tests.simtandem.carriers.emnify.rig import MemoryJournal


def scripted(
    answer: Handler, folder: Path, journal: MemoryJournal | None = None, limits: CallBudget | None = None
) -> tuple[IotAcceleratorClient, Recorder]:
    """Lets everybody in, and answers the other calls as told."""

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "bearer-nobody-repeats", "expires_in": 300})
        if request.url.path.endswith("/login"):
            return httpx.Response(200, json={"token": "access-nobody-repeats", "expirationTime": 1_800_000})
        return answer(request)

    recorder = Recorder(answered)
    credentials = Credentials("http://127.0.0.1:9", USERNAME, "a-password-nobody-repeats-7")
    return (
        IotAcceleratorClient(
            credentials, limits or budget(folder), journal or MemoryJournal(), transport=recorder.transport
        ),
        recorder,
    )

"""The carrier that is called: `simtandem emulator` as a process of its own, on the loopback."""

import json
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.children import SIMTANDEM, environment, killed_after
from simtandem.emulator.numbering import FIRST_ENDPOINT_ID, FIRST_SIM_ID

_STARTS_WITHIN_S = 60.0
_ANSWERS_WITHIN_S = 120.0  # filling a fleet of a million included
_STOPS_WITHIN_S = 10.0
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Called:
    """A call as the carrier saw it come in; `at` in seconds."""

    at: float
    route: str
    status: int


class EmulatedCarrier:
    """A carrier from `with` to the end of the block. `behaviour` is what its control route /_emulator/config takes."""

    def __init__(self, **behaviour: float) -> None:
        self._behaviour = behaviour
        self.url = self.token = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            [SIMTANDEM, "emulator", "--port", "0", "--devices", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        try:
            with killed_after(self._process, _STARTS_WITHIN_S):
                self.url, self.token = self._printed("SIMTANDEM_EMNIFY_URL"), self._printed("SIMTANDEM_EMNIFY_TOKEN")
            self._control("config", self._behaviour)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def settings(self, home: Path, **others: float) -> dict[str, str]:
        """The environment of a simtandem that works in `home` on this carrier; `others` are further settings."""
        named = {"home": home, "emnify_url": self.url, "emnify_token": self.token, **others}
        return {f"SIMTANDEM_{name.upper()}": str(value) for name, value in named.items()}

    def fill(self, devices: int, paying_but_off: int = 0) -> None:
        """A new fleet, Issued and Disabled, then split pairs, Activated and Disabled; nothing is counted yet."""
        groups = {"Issued": devices, "Activated": paying_but_off}
        asked = [{"count": count, "sim": sim, "endpoint": "Disabled"} for sim, count in groups.items() if count]
        self._control("fleet", {"groups": asked})

    def fill_tagged(self, others: int, tagged: int, tag: str) -> None:
        """A new fleet, Issued and Disabled, the last so many devices with this tag; nothing is counted yet."""
        counts = {"count": others}, {"count": tagged, "tags": tag}
        self._control("fleet", {"groups": [{**each, "sim": "Issued", "endpoint": "Disabled"} for each in counts]})

    def states(self) -> dict[str, int]:
        """How many devices are in which pair of statuses, such as `Activated/Enabled`."""
        states: dict[str, int] = self._control("fleet")["states"]
        return states

    def stats(self) -> dict[str, Any]:
        """What was counted since the fleet was filled."""
        return self._control("stats")

    def calls(self) -> list[Called]:
        """Every call since the fleet was filled, in the order they came in."""
        return [Called(*line) for line in self._control("stats?log=1")["log"]]

    def _printed(self, variable: str) -> str:
        for line in self._process.stdout or ():
            _, found, value = line.partition(f"export {variable}=")
            if found:
                return value.strip()
        raise RuntimeError("the emulator ended before it was ready")

    def _control(self, what: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with _HTTP.open(f"{self.url}/_emulator/{what}", data, timeout=_ANSWERS_WITHIN_S) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def _stop(self) -> None:
        self._process.terminate()
        with killed_after(self._process, _STOPS_WITHIN_S):
            self._process.communicate()


def write_devices(file: Path, numbers: range) -> None:
    """A device CSV of those devices of a filled fleet, counted from 0, by the ids of both halves."""
    with file.open("w") as lines:
        lines.write("sim_id,endpoint_id\n")
        lines.writelines(f"{FIRST_SIM_ID + number},{FIRST_ENDPOINT_ID + number}\n" for number in numbers)

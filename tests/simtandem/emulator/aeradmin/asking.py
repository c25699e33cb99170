"""Calls to the emulated AerAdmin as a program of Aeris's makes them."""

from dataclasses import dataclass
from typing import Any

import httpx

from simtandem.emulator.aeradmin.server import ACCOUNT, EMAIL, AerAdminEmulator
from simtandem.emulator.aeradmin.states import State

ROOT = "/AerAdmin_WS_5_0/"


@dataclass
class Asking:
    client: httpx.Client
    key: str

    def details(self, iccid: str, kind: str = "ICCID", **other: str) -> httpx.Response:
        body = {"accountID": ACCOUNT, "email": EMAIL, kind: iccid} | other
        return self.client.post(ROOT + "rest/devices/details", params={"apiKey": self.key}, json=body)

    def network(self, iccid: str, kind: str = "ICCID") -> httpx.Response:
        query = {"accountID": ACCOUNT, "email": EMAIL, "apiKey": self.key, kind: iccid}
        return self.client.get(ROOT + "rest/devices/network/details", params=query)

    def change(self, iccid: str, word: str, **other: str) -> httpx.Response:
        body = {"accountID": ACCOUNT, "email": EMAIL, "ICCID": iccid, "verb": word} | other
        return self.client.post(ROOT + "rest/made/up", params={"apiKey": self.key}, json=body)

    def control(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(f"/_emulator/{path}", json=body)

    def words(self, iccid: str) -> list[str]:
        """The `deviceStatus` of every SIM of the device."""
        return [each["deviceStatus"] for each in self.details(iccid).json()["deviceAttributes"]]


def iccid_in(emulator: AerAdminEmulator, state: State) -> str:
    """The ICCID of the first SIM in this state."""
    return emulator.change(lambda site: next(each.iccid for each in site.fleet.profiles() if each.state is state))

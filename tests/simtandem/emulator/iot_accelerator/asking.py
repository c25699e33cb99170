"""Calls to the emulated platform as a program makes them."""

from dataclasses import dataclass
from typing import Any

import httpx

from simtandem.emulator.iot_accelerator.server import CLIENT_ID, COMPANY, PASSWORD, USERNAME

DCP = "/dcpapi/rest/subscriptionManagement/v1"
CHANGES = "/iot/api/sica/subscriptions/requests/state-changes"
DETAILS = "/iot/api/subscriptions/details"
FEED = "/iot/api/subscriptions/changes/requests"


@dataclass
class Asking:
    client: httpx.Client

    def log_in(self) -> None:
        self.client.headers["Authorization"] = f"Bearer {self.bearer().json()['access_token']}"
        self.client.headers["X-Access-Token"] = self.login().json()["token"]

    def bearer(self, **other: str) -> httpx.Response:
        given = {"grant_type": "password", "client_id": CLIENT_ID, "username": USERNAME, "password": PASSWORD}
        return self.client.post("/iot/api/auth/token", data=given | other)

    def login(self, password: str = PASSWORD) -> httpx.Response:
        return self.client.post(DCP + "/login", json={"email": USERNAME, "password": password})

    def change(self, iccs: list[str], state: str, kind: str = "ICC") -> httpx.Response:
        named = {"identifier_type": kind, "identifiers": iccs}
        return self.client.post(CHANGES, json={"subscriptions": named, "change": {"state": state}})

    def changed(self, iccs: list[str], state: str) -> str:
        """The id of an accepted request."""
        ticket: str = self.change(iccs, state).json()["subscription_request_id"]
        return ticket

    def poll(self, ticket: str, **query: int) -> httpx.Response:
        return self.client.get(f"{DCP}/subscriptions/requests/{ticket}", params=query)

    def find(self, **wanted: Any) -> httpx.Response:
        return self.client.post(f"{DCP}/subscriptions/requests/find", json=wanted)

    def details(self, iccs: list[str], kind: str = "ICC", **query: str) -> httpx.Response:
        return self.client.post(DETAILS, json={"identifierType": kind, "identifierValues": iccs}, params=query)

    def listed(self, **query: Any) -> httpx.Response:
        return self.client.get(DETAILS, params={"q": f"COMPANY=={COMPANY}"} | query)

    def control(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(f"/_emulator/{path}", json=body)

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.listed(limit=10_000).json()["subscriptions"]
        return found

    def iccs(self, state: str) -> list[str]:
        """The ICCs of the subscriptions in this state."""
        return [each["iccid"] for each in self.all() if each["state"] == state]

    def states(self, iccs: list[str]) -> list[str]:
        return [each["state"] for each in self.details(iccs).json()["subscriptions"]]

    def lines(self, ticket: str) -> list[str]:
        """What each subscription of a request is."""
        return [each["resourceState"] for each in self.poll(ticket).json()["subscriptionRequestResources"]]

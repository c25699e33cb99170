"""The two kinds of token: a bearer for `/iot/api`, and an `X-Access-Token` for Subscription Management."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.subscriptions import OPERATOR

USERNAME, PASSWORD = OPERATOR, "emulator-password"
CLIENT_ID = "cm-public-api-client"


@dataclass(slots=True)
class Logins:
    """Tokens given out, with when they end."""

    behaviour: IotAcceleratorBehaviour
    clock: Callable[[], float]
    username: str = USERNAME
    password: str = PASSWORD
    _bearers: dict[str, float] = field(default_factory=dict)
    _accesses: dict[str, float] = field(default_factory=dict)

    def knows(self, username: object, password: object) -> bool:
        """Whether these are the user's."""
        return (username, password) == (self.username, self.password)

    def bearer(self) -> str:
        """A new bearer token: a JWT that nobody signed."""
        ends = self.clock() + self.behaviour.bearer_life_s
        parts: tuple[dict[str, object], ...] = (
            {"alg": "RS256", "typ": "JWT"},
            {"exp": int(ends), "jti": str(len(self._bearers))},
        )
        token = ".".join([*map(_coded, parts), base64.urlsafe_b64encode(b"nobody signed it").decode().rstrip("=")])
        self._bearers[token] = ends
        return token

    def access(self) -> tuple[str, int]:
        """A new access token, and its `expirationTime` in milliseconds."""
        ends = self.clock() + self.behaviour.access_life_s
        token = f"emulator-access-{len(self._accesses) + 1:032d}"
        self._accesses[token] = ends
        shown = ends if self.behaviour.expiry == "epoch" else self.behaviour.access_life_s
        return token, int(shown * 1000)

    def accepts_bearer(self, authorization: str) -> bool:
        """Whether an `Authorization` header has a bearer token that is valid now."""
        kind, _, token = authorization.partition(" ")
        return kind == "Bearer" and self._bearers.get(token, 0.0) > self.clock()

    def accepts_access(self, token: str) -> bool:
        """Whether an `X-Access-Token` is valid now."""
        return self._accesses.get(token, 0.0) > self.clock()

    def revoke_all(self) -> None:
        """No token given out so far is valid any more."""
        self._bearers.clear()
        self._accesses.clear()


def _coded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

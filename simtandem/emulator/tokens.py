"""Letting callers in: application token against a signed token with an expiry, and the lock after failed logins."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jwt

FAILURES_TO_LOCK = 3
_SIGNED_WITH = "the emulator signs, nobody verifies: any 64 characters will do it"


class DeniedError(Exception):
    """Wrong credentials, or none."""


class LockedError(Exception):
    """The account is locked for some minutes, even for the right credentials."""


@dataclass(slots=True)
class Tokens:
    """The tokens handed out and not revoked since."""

    application_token: str
    clock: Callable[[], float]
    _expiry: dict[str, float] = field(default_factory=dict)
    _refresh: set[str] = field(default_factory=set)
    _failures: int = 0
    _locked_until: float = 0.0
    _issued: int = 0

    def authenticate(self, credentials: dict[str, object], life_s: float, lock_s: float) -> dict[str, str]:
        """A new pair of tokens; raises `DeniedError`, or `LockedError` from the third failure in a row on."""
        if self.clock() < self._locked_until:
            raise LockedError
        if credentials.get("application_token") != self.application_token and (
            credentials.get("refresh_token") not in self._refresh
        ):
            self._failures += 1
            if self._failures < FAILURES_TO_LOCK:
                raise DeniedError
            self._failures = 0
            self._locked_until = self.clock() + lock_s
            raise LockedError
        self._failures = 0
        return {"auth_token": self._issue(life_s), "refresh_token": self._issue_refresh()}

    def accepts(self, authorization: str) -> bool:
        """Whether an `Authorization` header lets a call in."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.clock() < self._expiry.get(token.strip(), 0.0)

    def revoke_all(self) -> None:
        """No token handed out so far is worth anything from now on."""
        self._expiry.clear()
        self._refresh.clear()

    def _issue(self, life_s: float) -> str:
        now = self.clock()
        self._issued += 1
        claims = {"sub": "application", "iat": int(now), "exp": int(now + life_s), "jti": str(self._issued)}
        token = jwt.encode(claims, _SIGNED_WITH, algorithm="HS256")
        self._expiry[token] = now + life_s
        return token

    def _issue_refresh(self) -> str:
        refresh = f"refresh-{self._issued}"
        self._refresh.add(refresh)
        return refresh

"""The platform's published limits, by path, and lower ones that its answers state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from simtandem.carriers.rate_limit import Window

_SAY_WHAT_IS_LEFT = {"requests", "details"}
"""Limits whose answers are published to say so."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any second, and in any minute."""

    per_second: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits for an account's calls. None is published for Subscription Management: it has a cautious one.

    That of `history` is the published one of the paths above it.
    """

    auth: Rate = Rate(5, 60)
    requests: Rate = Rate(10, 100)
    details: Rate = Rate(10, 150)
    history: Rate = Rate(10, 100)
    management: Rate = Rate(10, 100)

    def windows(self, path: str) -> tuple[Window, ...]:
        """The windows that a call to this path counts in."""
        name, rate = self._of(path)
        return Window(f"{name}-second", rate.per_second, 1.0), Window(f"{name}-minute", rate.per_minute, 60.0)

    def lowered(self, path: str, headers: Mapping[str, str]) -> "Rates":
        """These limits, or lower ones where the headers of an answer to a call to this path state them.

        Higher ones are not followed: what a header says of one answer must not let loose all calls after it.
        """
        name, rate = self._of(path)
        second, minute = (_stated(headers, f"x-ratelimit-limit-{each}") for each in ("second", "minute"))
        lower = Rate(min(rate.per_second, second or rate.per_second), min(rate.per_minute, minute or rate.per_minute))
        return self if lower == rate else replace(self, **{name: lower})

    def counted(self, path: str, headers: Mapping[str, str]) -> dict[str, int]:
        """How many calls of a minute the platform has counted, by the window's name, where an answer says what is left.

        What is left of a second is over when the answer is here. Where a contract allows more than these limits, the
        rest is for others. Whether the platform's minute is any or that of the clock is not published.
        """
        name, rate = self._of(path)
        left = _number(headers, "x-ratelimit-remaining-minute")
        if left is None or name not in _SAY_WHAT_IS_LEFT:
            return {}
        allowed = min(rate.per_minute, _stated(headers, "x-ratelimit-limit-minute") or rate.per_minute)
        return {f"{name}-minute": allowed - left} if left < allowed else {}

    def _of(self, path: str) -> tuple[str, Rate]:
        return next(
            (name, rate)
            for beginning, name, rate in (
                ("/iot/api/auth", "auth", self.auth),
                ("/iot/api/sica/subscriptions/requests", "requests", self.requests),
                ("/iot/api/subscriptions/details", "details", self.details),
                ("/iot/api/subscriptions/changes", "history", self.history),
                ("", "management", self.management),
            )
            if path.startswith(beginning)
        )


def _stated(headers: Mapping[str, str], name: str) -> int:
    """The number in a header; 0 where it states none that a limit can be."""
    return _number(headers, name) or 0


def _number(headers: Mapping[str, str], name: str) -> int | None:
    """The number in a header; None where it is not there, or no number."""
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

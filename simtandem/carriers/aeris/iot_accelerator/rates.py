"""The platform's published limits, by path. Pure."""

from dataclasses import dataclass

from simtandem.carriers.rate_limit import Window


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
        name, rate = next(
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
        return Window(f"{name}-second", rate.per_second, 1.0), Window(f"{name}-minute", rate.per_minute, 60.0)

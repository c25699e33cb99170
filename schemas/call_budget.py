"""How much of a rate limit is left."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallsLeft:
    """The state of a window of `window_s` seconds that holds at most `calls`.

    `frees_s`: for each call that counts in it now, in how many seconds it does so no more, in ascending order.
    `paused_s`: the carrier said 429, and so long nothing is sent. `holders`: whose the calls in it are, and how many,
    where that is known.
    """

    calls: int
    window_s: float
    frees_s: tuple[float, ...] = ()
    paused_s: float = 0.0
    holders: tuple[tuple[str, int], ...] = ()

    @property
    def left(self) -> int:
        """How many calls may be sent at once."""
        return max(0, self.calls - len(self.frees_s))

    def takes_s(self, calls: int) -> float:
        """In how many seconds the last of so many more calls may be sent, if each takes no time."""
        over = calls - self.left
        if over <= 0:
            return self.paused_s
        if not self.frees_s:
            return self.paused_s + (over - 1) // max(1, self.calls) * self.window_s
        rounds, place = divmod(over - 1, len(self.frees_s))
        return max(self.paused_s, self.frees_s[place] + rounds * self.window_s)

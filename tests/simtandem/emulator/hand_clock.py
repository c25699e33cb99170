"""A clock that only moves when a test moves it."""

START = 1_750_000_000.0


class HandClock:
    """A clock a test moves by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

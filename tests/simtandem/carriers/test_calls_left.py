"""What is read of a call budget beside the runs that use it."""

from pathlib import Path

from simtandem.carriers.calls_left import calls_left
from simtandem.carriers.host_slots import HostSlots, slots_file
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.settings import Settings


class Clock:
    """Time that passes when it is told to."""

    s = 5000.0

    def __call__(self) -> float:
        return self.s


def _settings(home: Path) -> Settings:
    return Settings(home=home, calls=100, calls_window_s=300.0, calls_reserve=0.05)


async def test_what_is_held_and_paused_is_not_left(tmp_path: Path) -> None:
    settings, clock = _settings(tmp_path), Clock()
    whole = calls_left(settings, clock)
    assert whole is not None
    assert (whole.left, whole.calls, whole.paused_s) == (95, 95, 0.0)
    budget = CallBudget(HostSlots(slots_file(tmp_path, settings.account_key.file_name), clock=clock), clock=clock)
    window = Window("calls", 95, 300.0)
    for _ in range(3):
        async with budget.place([window]):
            clock.s += 1
    async with budget.place([window]):
        left = calls_left(settings, clock)
    assert left is not None
    assert left.left == 91
    assert [round(each) for each in left.frees_s] == [298, 299, 300, 300], "a call under way counts a window more"
    budget.throttled(30.0)
    paused = calls_left(settings, clock)
    assert paused is not None
    assert round(paused.paused_s) == 30
    budget.close()


def test_a_file_that_can_not_be_read_says_nothing(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    (tmp_path / f"budget-{settings.account_key.file_name}.sqlite").write_bytes(b"no database at all" * 100)
    assert calls_left(settings) is None

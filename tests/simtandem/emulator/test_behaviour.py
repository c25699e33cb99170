import pytest

from simtandem.emulator.behaviour import Behaviour


@pytest.mark.parametrize(
    "settings",
    [
        {"illegal_move": 418},
        {"bulk": "some"},
        {"calls": 1.5},
        {"path_limits": 1},
        {"latency_s": -1},
        {"latency_s": True},
        {"speed": 3},
    ],
)
def test_wrong_setting_is_refused_and_changes_nothing(settings: dict[str, object]) -> None:
    behaviour = Behaviour()
    with pytest.raises(ValueError, match=next(iter(settings))):
        behaviour.change(calls_window_s=5, **settings)
    assert behaviour == Behaviour()


def test_setting_takes_effect() -> None:
    behaviour = Behaviour()
    behaviour.change(latency_s=1, bulk="partial")
    assert (behaviour.latency_s, behaviour.bulk) == (1, "partial")

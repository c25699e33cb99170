"""The waves of a run: what its request says, and where that says nothing, what the settings do."""

from collections.abc import Callable
from typing import TypeVar

from schemas import waves
from schemas.parameters import BulkUpdate
from schemas.waves import WaveCheck
from simtandem.carriers.registry import lifecycle_for
from simtandem.domain.abilities import Ability
from simtandem.domain.waves import Pacing
from simtandem.errors import InputError
from simtandem.settings import Settings

_WAIT = "10m"
Value = TypeVar("Value")


def pacing_of(request: BulkUpdate, settings: Settings) -> Pacing:
    """Raises `InputError` where waves are checked or approved and there are none."""
    sizes = read("Waves", waves.sizes, request.waves or settings.waves)
    asks = request.wave_approval or request.wave_check is not WaveCheck.NONE or bool(request.wave_limit)
    if asks and not sizes and not request.waves:
        raise InputError(
            "Waves are limited, checked or approved only where there are some, and none are named. Nothing was sent.\n"
            "Name them, such as --waves 50,500,rest, or set SIMTANDEM_WAVES."
        )
    lifecycle = lifecycle_for(settings)
    why = lifecycle.lacks(Ability.NETWORK_EVENTS, "leave out --wave-check")
    if why and request.wave_check is not WaveCheck.NONE:
        raise InputError(f"{why}.\nNothing was sent.")
    return Pacing(
        sizes,
        read("Limit of a wave", waves.amount, request.wave_limit or settings.wave_limit),
        request.wave_check,
        read("Time for the check", waves.seconds, request.wave_wait or _WAIT),
        settings.wave_attached,
        approval=request.wave_approval,
    )


def read(what: str, parse: Callable[[str], Value], text: str) -> Value:
    """What a text says. Raises `InputError` where it can't be read; `what` is its name in the sentence."""
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(f"{what}: {error}. Nothing was sent.") from error

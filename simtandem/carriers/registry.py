"""From settings to a carrier. The one place that knows which adapters there are; one is imported when it is opened."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.statuses import Half
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN, of_contract
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR, of_company
from simtandem.carriers.aeris.iot_accelerator.rates import Rates
from simtandem.carriers.aeris.recorded_calls import changed_sims, details_post
from simtandem.carriers.aeris.required_settings import missing_to_describe, require_access
from simtandem.carriers.block_tokens import BLOCKS
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.emnify.patience import one_item_s
from simtandem.carriers.emnify.recorded_calls import changed_devices, reset_by
from simtandem.carriers.patience import MANY_WITHIN_S
from simtandem.carriers.protocol import Carrier, Journal
from simtandem.carriers.refused_tokens import refused_tokens
from simtandem.carriers.sharing import ALONE, Shared
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.host.importing import import_caller
from simtandem.selection.fields import Fields
from simtandem.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A carrier as the rest is given it: its rules, how it is opened, and what a recorded call would have done.

    `changed` names the halves that a call would change, `reset` the endpoint whose connectivity it would reset,
    `patience` how long its client waits for it where that is less than for others, and `reads` whether a POST changes
    nothing.

    `fields` are those that a selection may name, of a carrier whose listing shows some. `credential` is what an account
    logs in with, in words.

    `opened` raises `InputError` where the settings lack something; it is None where nothing can be called yet.
    """

    lifecycle: Lifecycle
    opened: Callable[[Settings, Journal, Shared], Carrier] | None = None
    changed: Callable[[str, str | None], Iterable[tuple[Half, str]]] = lambda _path, _body: ()
    reset: Callable[[str], str | None] = lambda _path: None
    patience: Callable[[str], float | None] = lambda _path: None
    reads: Callable[[str], bool] = lambda _path: False
    fields: Callable[[], Fields] | None = None
    credential: str = "token"


def _emnify(settings: Settings, journal: Journal, shared: Shared) -> Carrier:
    import_caller("simtandem.carriers.emnify.from_settings")
    from simtandem.carriers.emnify.from_settings import open_emnify

    return open_emnify(settings, journal, shared)


def _aeradmin(settings: Settings, journal: Journal, shared: Shared) -> Carrier:
    import_caller("simtandem.carriers.aeris.from_settings")
    from simtandem.carriers.aeris.from_settings import open_aeradmin

    return open_aeradmin(settings, journal, shared)


def _iot_accelerator(settings: Settings, journal: Journal, shared: Shared) -> Carrier:
    import_caller("simtandem.carriers.aeris.from_settings")
    from simtandem.carriers.aeris.from_settings import open_iot_accelerator

    return open_iot_accelerator(settings, journal, shared)


def _of_emnify() -> Fields:
    from simtandem.carriers.emnify.listed_fields import FIELDS

    return FIELDS


def _of_iot_accelerator() -> Fields:
    from simtandem.carriers.aeris.iot_accelerator.listed_fields import FIELDS

    return FIELDS


ADAPTERS: Final = {
    adapter.lifecycle.carrier: adapter
    for adapter in (
        Adapter(
            lifecycle=EMNIFY,
            opened=_emnify,
            changed=changed_devices,
            reset=reset_by,
            patience=one_item_s,
            fields=_of_emnify,
            credential="application token",
        ),
        # Their paths are of both of Aeris's platforms.
        Adapter(lifecycle=AERADMIN, opened=_aeradmin, changed=changed_sims, reads=details_post, credential="API key"),
        Adapter(lifecycle=IOT_ACCELERATOR, opened=_iot_accelerator, fields=_of_iot_accelerator, credential="password"),
    )
}
"""Every carrier, by the word that settings and records have for it."""


def open_carrier(settings: Settings, journal: Journal, shared: Shared = ALONE) -> Carrier:
    """The carrier of these settings; nothing is called yet. Raises `InputError` without a token, or for no carrier."""
    adapter = ADAPTERS.get(settings.carrier)
    if adapter is None or adapter.opened is None:
        known = ", ".join(name for name, each in ADAPTERS.items() if each.opened)
        raise InputError(
            f"Account {settings.account}: there is no carrier {settings.carrier} here, only {known}. Nothing was sent."
        )
    carrier = adapter.opened(BLOCKS.filled(settings), journal, shared)
    for sentence in settings.warnings:
        log.warning("%s", sentence)
    return carrier


def require_credentials(settings: Settings) -> None:
    """Raise `InputError` where what every call of this carrier needs is not set, nor in the Secret block it names."""
    settings = BLOCKS.filled(settings)
    if settings.carrier == EMNIFY.carrier:
        settings.token()
    else:
        require_access(settings)


def contract_notes(settings: Settings) -> list[str]:
    """What the settings say of fees and thresholds of the contract, for plans to show; nothing decides by it."""
    if settings.carrier != AERADMIN.carrier:
        return []
    told = {"Suspending costs, once": settings.aeradmin_suspension_fee, "Thresholds": settings.aeradmin_thresholds}
    return [f"{what}, by the settings: {text}." for what, text in told.items() if text]


def missing_to_change(settings: Settings) -> str:
    """Why nothing can be changed with these settings, by any plan; empty where it can."""
    return missing_to_describe(settings) if settings.carrier == AERADMIN.carrier else ""


def pace_of(settings: Settings) -> tuple[int, float]:
    """How many calls may be sent in which window, in seconds: the one that bounds a long run."""
    if settings.carrier == AERADMIN.carrier:
        return settings.aeradmin_calls_per_second, 1.0
    if settings.carrier == IOT_ACCELERATOR.carrier:
        return Rates().requests.per_minute, 60.0
    return settings.capacity, settings.calls_window_s


def calls_to_begin(settings: Settings, look: int) -> int:
    """How many calls a run makes until it has its plan: its logins, and its `look` at the devices.

    At emnify that is a handful for any plan, and not counted.
    """
    logins = {AERADMIN.carrier: 0, IOT_ACCELERATOR.carrier: 2}.get(settings.carrier)
    return 0 if logins is None else logins + look


def forget_refused_tokens(settings: Settings) -> int:
    """Let what the carrier refused, see `credential_of`, be tried again; returns how many refusals were remembered."""
    return refused_tokens(settings.home, settings.account_key).forget()


def credential_of(settings: Settings) -> str:
    """What an account of this carrier logs in with: application token, API key, password."""
    return ADAPTERS[settings.carrier].credential if settings.carrier in ADAPTERS else "token"


def devices_of(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The halves, by their ids, that a recorded call would have changed; no two carriers have the same paths."""
    for adapter in ADAPTERS.values():
        yield from adapter.changed(path, body)


def endpoint_reset_by(path: str) -> str | None:
    """The endpoint whose connectivity a recorded call was to reset; None for any other call."""
    return next((ident for adapter in ADAPTERS.values() if (ident := adapter.reset(path))), None)


def patience_s(path: str) -> float:
    """How long the client of a call with this path waits for its answer at most."""
    told = (adapter.patience(path) for adapter in ADAPTERS.values())
    return next((seconds for seconds in told if seconds is not None), MANY_WITHIN_S)


def only_reads(path: str) -> bool:
    """Whether a POST with this path changes nothing at any carrier: what it asks for stands in its body."""
    return any(adapter.reads(path) for adapter in ADAPTERS.values())


def fields_of(carrier: str) -> Fields:
    """The fields of this carrier that a selection may name. Raises `InputError` where its fleet can't be listed."""
    adapter = ADAPTERS.get(carrier)
    if adapter is None or adapter.fields is None:
        raise InputError(
            f"{carrier}'s interface, as far as it is documented, can't list a fleet, so devices can't be selected "
            "there. Nothing was sent.\nName them in a list (FILE) instead."
        )
    return adapter.fields()


def lifecycle_for(settings: Settings) -> Lifecycle:
    """The rules of the settings' carrier, with what they say of it."""
    if settings.carrier == IOT_ACCELERATOR.carrier:
        return of_company(settings.iot_accelerator_company, settings.iot_accelerator_bulk)
    if settings.carrier == AERADMIN.carrier:
        return of_contract(assigned_to_billed=settings.aeradmin_assigned_to_billed)
    return lifecycle_of(settings.carrier)


def lifecycle_of(carrier: str) -> Lifecycle:
    """The rules of the carrier that settings, or the record of a run, call so. A stranger's allow nothing."""
    if adapter := ADAPTERS.get(carrier):
        return adapter.lifecycle
    return Lifecycle(carrier=carrier, sims=(), sim_moves=frozenset(), goals=())

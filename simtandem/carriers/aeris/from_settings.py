"""From settings to one of Aeris's two platforms. Raises `InputError` for what is missing or can't be used."""

import json
from pathlib import Path

from simtandem.carriers.aeris.aeradmin.carrier import AerAdmin, Contract, Described
from simtandem.carriers.aeris.aeradmin.client import Access
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.aeradmin.state_change import StateChangeCall
from simtandem.carriers.aeris.iot_accelerator.carrier import Company, IotAccelerator
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.aeris.required_settings import missing_to_describe, require_set
from simtandem.carriers.protocol import Journal
from simtandem.carriers.sharing import Shared
from simtandem.errors import InputError
from simtandem.settings import PREFIX, Settings


def open_aeradmin(settings: Settings, journal: Journal, shared: Shared) -> AerAdmin:
    """AerAdmin; nothing is called yet."""
    settings.require_private()
    key = settings.aeradmin_api_key
    require_set(settings, "aeradmin_account_id", "aeradmin_email", "aeradmin_api_key")
    access = Access(
        base_url=settings.aeradmin_url,
        account_id=settings.aeradmin_account_id,
        email=settings.aeradmin_email,
        api_key=key.get_secret_value() if key else "",
        calls=settings.aeradmin_calls_per_second,
        at_once=settings.aeradmin_concurrency,
    )
    described, missing = _described(settings)
    contract = Contract(
        access=access,
        home=settings.home,
        state_name=settings.account_key.file_name,
        change=described,
        cannot_change=missing,
        words=_words(settings, "aeradmin_status_words", state_first=False),
        not_activated=settings.aeradmin_not_activated,
        assigned_to_billed=settings.aeradmin_assigned_to_billed,
        shows_within_s=settings.aeradmin_shows_within_s,
        export=Path(settings.aeradmin_export).expanduser() if settings.aeradmin_export else None,
        export_iccid=settings.aeradmin_export_iccid,
    )
    return AerAdmin(contract, journal, transport=shared.instead, shared=shared)


def open_iot_accelerator(settings: Settings, journal: Journal, shared: Shared) -> IotAccelerator:
    """The IoT Accelerator; nothing is called yet."""
    settings.require_private()
    password = settings.iot_accelerator_password
    require_set(settings, "iot_accelerator_username", "iot_accelerator_password")
    credentials = Credentials(
        settings.iot_accelerator_url,
        settings.iot_accelerator_username,
        password.get_secret_value() if password else "",
    )
    company = Company(
        credentials=credentials,
        name=settings.iot_accelerator_company,
        home=settings.home,
        state_name=settings.account_key.file_name,
        bulk=settings.iot_accelerator_bulk,
        poll_s=settings.iot_accelerator_poll_s,
        shows_within_s=settings.iot_accelerator_shows_within_s,
        lost_within_s=settings.iot_accelerator_lost_within_s,
    )
    return IotAccelerator(company, journal, transport=shared.instead, shared=shared)


def _described(settings: Settings) -> tuple[Described | None, str]:
    """The call that changes a state; or None, and what is missing of it and where the operator finds it."""
    if missing := missing_to_describe(settings):
        return None, missing
    try:
        body = json.loads(settings.aeradmin_change_body) if settings.aeradmin_change_body else None
    except ValueError:
        raise InputError(f"{PREFIX}AERADMIN_CHANGE_BODY is not JSON. Nothing was sent.") from None
    call = StateChangeCall(settings.aeradmin_change_method.upper(), settings.aeradmin_change_path, body)
    return Described(call, words_for_states(settings)), ""


def words_for_states(settings: Settings) -> dict[str, str]:
    """AerAdmin's words for the states that a change can lead to, by state, as the settings have them."""
    return _words(settings, "aeradmin_change_words", state_first=True)


def _words(settings: Settings, name: str, *, state_first: bool) -> dict[str, str]:
    """`A=b, C=d` as a table: by state, or by word where the state stands second."""
    found = {}
    for each in filter(None, (part.strip() for part in str(getattr(settings, name)).split(","))):
        left, equals, right = (part.strip() for part in each.partition("="))
        state = AERADMIN.status_called(left if state_first else right)
        if not equals or not left or not right or state is None:
            states = ", ".join(one.name for one in AERADMIN.sims)
            raise InputError(f"{PREFIX}{name.upper()}: {each!r} names no state; they are {states}. Nothing was sent.")
        if state_first and AERADMIN.sim(state).final:
            raise InputError(f"{PREFIX}{name.upper()}: simtandem never cancels a SIM. Take {each!r} out.")
        found[state if state_first else left] = right if state_first else state
    return found

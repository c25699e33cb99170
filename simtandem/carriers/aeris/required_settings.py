"""What has to be set for Aeris's two platforms."""

from simtandem.errors import InputError
from simtandem.settings import PREFIX, Settings

_WHERE = (
    "Aeris does not publish the call that changes a state. Its documentation for customers has it: AerAdmin 5 REST API "
    "Reference, section 6.7, Update Device State (AerPort, or Aeris's support)."
)


def require_access(settings: Settings) -> None:
    """Raise `InputError` where something is missing that every call needs."""
    settings.require_private()
    if settings.carrier == "aeradmin":
        require_set(settings, "aeradmin_account_id", "aeradmin_email", "aeradmin_api_key")
    else:
        require_set(settings, "iot_accelerator_username", "iot_accelerator_password")


def require_set(settings: Settings, *names: str) -> None:
    """Raise `InputError` where one of these is not set."""
    missing = [f"{PREFIX}{name.upper()}" for name in names if not getattr(settings, name)]
    if missing:
        raise InputError(f"Not set: {', '.join(missing)}. Nothing was sent.\nSet them in the environment.")


def missing_to_describe(settings: Settings) -> str:
    """What is not set of AerAdmin's call that changes a state, and where it is found; empty where nothing is."""
    needed = ("aeradmin_change_method", "aeradmin_change_path", "aeradmin_change_words")
    missing = [f"{PREFIX}{name.upper()}" for name in needed if not getattr(settings, name)]
    if not missing:
        return ""
    return (
        f"aeradmin: no change can be sent, because it is not set how: {', '.join(missing)}.\n"
        f"{_WHERE}\nNothing was sent. Plans and audits work without it."
    )

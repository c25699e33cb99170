"""The only module that reads or writes the environment."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simtandem.settings.model import Settings

PREFIX = "SIMTANDEM_"
_SECRETS_OF_PREFECT = ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
_PATHS = """
    SIMTANDEM_SETTINGS SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE TMPDIR
    PREFECT_API_SSL_CERT_FILE PREFECT_HOME PREFECT_PROFILES_PATH PREFECT_RESULTS_LOCAL_STORAGE_PATH
    PREFECT_LOGGING_CONFIG_PATH PREFECT_LOGGING_SETTINGS_PATH
    PGPASSFILE PGSERVICEFILE PGSSLCERT PGSSLKEY PGSSLROOTCERT
    AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE GOOGLE_APPLICATION_CREDENTIALS
"""  # libraries read these as paths, some of them late


def variable(name: str) -> str | None:
    """The value of a variable; None where it is not set, or empty."""
    return os.environ.get(name) or None


def setting(name: str) -> str | None:
    """What the environment sets for a setting, by the name of its field; None where it leaves it open."""
    return variable(f"{PREFIX}{name.upper()}")


def choose_account(name: str) -> None:
    """From here on this account is the one that is asked for, in child processes as well."""
    os.environ[f"{PREFIX}ACCOUNT"] = name


def choose_log_format(name: str) -> None:
    """From here on messages have this format, in child processes as well."""
    os.environ[f"{PREFIX}LOG_FORMAT"] = name


def secrets_of_prefect() -> list[str]:
    """The values of Prefect's variables that must not be shown."""
    return [os.environ.get(name, "") for name in _SECRETS_OF_PREFECT]


def prefect_api_url() -> str | None:
    """The Prefect server this process should report to, where one is set."""
    return os.environ.get("PREFECT_API_URL") or None


def prefect_ui_url() -> str | None:
    """The address of Prefect's UI, if it is set: a server behind a proxy can't know it."""
    return os.environ.get("PREFECT_UI_URL") or None


def prefect_auth_string() -> str | None:
    """`user:password` that a Prefect server started from here requires, if it is set."""
    return os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or None


def has_desktop() -> bool:
    """Whether a browser that is started here shows a window."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def child_environment(
    extra: Mapping[str, str],
    unwanted: Callable[[str], bool] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """This process's environment with `extra` on top, without variables that are `unwanted`, for a child in Python.

    `defaults` are for variables that are not set. Neither it nor its own children import anything from their working
    folder.
    """
    places = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(each).is_absolute()]
    safe = {"PYTHONPATH": os.pathsep.join(places), "PYTHONSAFEPATH": "1"}
    kept = {name: value for name, value in os.environ.items() if unwanted is None or not unwanted(name)}
    return {**(defaults or {}), **kept, **safe, **extra}


def forget(unwanted: Callable[[str], bool]) -> list[str]:
    """Remove variables from the environment; returns the names of those removed."""
    names = sorted(filter(unwanted, os.environ))
    for name in names:
        del os.environ[name]
    return names


def pin_paths(settings: "Settings") -> None:
    """Make relative paths in the environment absolute, for this process and its children."""
    pinned = {f"{PREFIX}HOME": str(settings.home)}
    if os.environ.get(f"{PREFIX}INBOX"):
        pinned[f"{PREFIX}INBOX"] = settings.inbox_url
    if os.environ.get(f"{PREFIX}LEDGER_URL"):
        pinned[f"{PREFIX}LEDGER_URL"] = settings.ledger()
    if os.environ.get(f"{PREFIX}LIST_FOLDERS"):
        pinned[f"{PREFIX}LIST_FOLDERS"] = os.pathsep.join(map(str, settings.list_roots))
    for name in _PATHS.split():
        value = os.environ.get(name, "")
        if value and not value.startswith(("~", "$")):
            pinned[name] = str(Path(value).absolute())
    os.environ.update(pinned)


def export(variables: Mapping[str, str], *, overwrite: bool = False) -> None:
    """Set variables for libraries that read the environment later; existing ones stay unless `overwrite` is true."""
    for name, value in variables.items():
        if overwrite or name not in os.environ:
            os.environ[name] = value

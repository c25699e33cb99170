"""What is set from outside: by the environment, and by the settings file with its accounts."""

from simtandem.settings.environment import (
    PREFIX,
    child_environment,
    choose_account,
    choose_log_format,
    export,
    forget,
    has_desktop,
    pin_paths,
    prefect_api_url,
    prefect_auth_string,
    prefect_ui_url,
)
from simtandem.settings.load import account_names, chosen_account, load, load_home, logs_are_json, settings_file
from simtandem.settings.model import Settings, secret_names

__all__ = [
    "PREFIX",
    "Settings",
    "account_names",
    "child_environment",
    "choose_account",
    "choose_log_format",
    "chosen_account",
    "export",
    "forget",
    "has_desktop",
    "load",
    "load_home",
    "logs_are_json",
    "pin_paths",
    "prefect_api_url",
    "prefect_auth_string",
    "prefect_ui_url",
    "secret_names",
    "settings_file",
]

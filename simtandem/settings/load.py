"""From the environment and the settings file to the settings of an account."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.accounts import DEFAULT
from schemas.plain_errors import plain
from simtandem.errors import InputError, SimtandemError
from simtandem.settings import environment
from simtandem.settings.accounts import (
    LOGIN,
    TOKENS,
    URLS,
    AccountSettings,
    accounts_of,
    choose,
    same_token,
    settings_of,
)
from simtandem.settings.environment import PREFIX
from simtandem.settings.file import Keys, SettingsFile, read_settings_file
from simtandem.settings.model import OF_ACCOUNT, Settings, expanded

FILE = "settings.toml"
"""The settings file's name in the home."""

_WRITTEN = frozenset(["url", "token"])
_UNWRITTEN = frozenset([*URLS.values(), *TOKENS.values()])
_KEYS = Keys(
    frozenset(Settings.model_fields.keys() - _UNWRITTEN - {"home"}) | _WRITTEN,
    (OF_ACCOUNT - _UNWRITTEN) | _WRITTEN,
    dict.fromkeys(URLS.values(), "url") | dict.fromkeys(TOKENS.values(), "token"),
)


def load(account: str = "", /, **overrides: Any) -> Settings:
    """The settings of an account as they are now: the one named here, else the one chosen, else the only one.

    Raises `InputError` naming each setting that can't be used, never its value, or the accounts there are.
    """
    file = settings_file()
    return _made(file, choose(file, account), overrides)


def load_home(**overrides: Any) -> Settings:
    """The settings of the home, whichever account is meant: where ledger, runs and Prefect are. No account's token."""
    file = settings_file()
    return _made(file and SettingsFile(file.path, file.general, {}), DEFAULT, overrides)


def settings_file() -> SettingsFile | None:
    """The settings file: the one that SIMTANDEM_SETTINGS names, else settings.toml in the home, where there is one.

    Raises `InputError` where it is named and missing, or can't be used.
    """
    named = environment.setting("settings")
    try:
        path = expanded(Path(named or environment.setting("home") or Settings.model_fields["home"].default))
    except ValueError:
        return None  # what is wrong with it is said when the settings are made
    if not named:
        return read_settings_file(path / FILE, _KEYS)
    found = read_settings_file(path, replace(_KEYS, general=_KEYS.general | {"home"}))
    if found is None:
        raise InputError(f"{PREFIX}SETTINGS: there is no file {path}. Nothing was sent.")
    return found


def logs_are_json() -> bool:
    """Whether messages are to be JSON: by the environment, else by the settings file. Never raises."""
    asked = environment.setting("log_format")
    if asked is None:
        with suppress(SimtandemError, OSError):
            file = settings_file()
            asked = str(file.general.get("log_format", "")) if file else None
    return asked == "json"


def account_names() -> list[str]:
    """The accounts there are; `default` where nothing names one."""
    return accounts_of(settings_file())


def chosen_account() -> str:
    """The account that --account or SIMTANDEM_ACCOUNT names; empty where neither does."""
    return environment.setting("account") or ""


def _made(file: SettingsFile | None, account: str, overrides: dict[str, Any]) -> Settings:
    found = settings_of(file, account)
    values = {**found.values, "account": account, **overrides}
    if file is not None and account in file.accounts:  # nothing of another account, from wherever
        values = {name: Settings.model_fields[name].default for name in LOGIN} | values
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems = [f"{_place(found, each['loc'][0])}: {plain(each)}" for each in error.errors(include_input=False)]
        raise InputError("These settings can't be used, nothing was sent:\n  " + "\n  ".join(problems)) from None
    default_url = str(Settings.model_fields["emnify_url"].default)
    return settings.with_token(found.block, found.missing, same_token(file, account, default_url))


def _place(found: AccountSettings, name: object) -> str:
    return found.places.get(str(name)) or f"{PREFIX}{str(name).upper()}"

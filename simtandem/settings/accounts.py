"""Which account is meant, and which settings are its own: from a settings file and the variables of the environment.

Of what is set for an account in its own section, nothing else decides. Where to call and with which token is taken
from nowhere else: neither from the environment nor from the top of the file, which set those of `default`. All other
settings come from the environment, then from the top of the file.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from schemas.accounts import DEFAULT
from schemas.hosts import host_of
from simtandem.errors import InputError
from simtandem.settings import environment
from simtandem.settings.file import SettingsFile, read_secret_file

URLS = {"emnify": "emnify_url", "aeradmin": "aeradmin_url", "iot-accelerator": "iot_accelerator_url"}
TOKENS = {
    "emnify": "emnify_token",
    "aeradmin": "aeradmin_api_key",
    "iot-accelerator": "iot_accelerator_password",
}
"""By carrier: the settings that a file calls `url` and `token`."""

LOGIN = frozenset(
    [
        *("carrier", *URLS.values(), *TOKENS.values(), "aeradmin_account_id", "aeradmin_email"),
        *("iot_accelerator_username", "iot_accelerator_company"),
    ]
)
"""Where to call and as whom: of an account with a section, the section alone says it."""

_EMNIFY = "emnify"
_OF_HOME = ("ledger_url", "notify_webhook", "notify_email")
_REFERENCE = re.compile(r"(env|file|block):(.+)", re.DOTALL)
_REFERENCES = "env:NAME_OF_A_VARIABLE or file:/path/of/a/file"


@dataclass(slots=True)
class AccountSettings:
    """The settings of one account that come from the file, by field, and where each of them stands.

    `token` is the setting that has the token, `block` the Secret block of Prefect's that it is in;
    `missing` says why there is no token.
    """

    account: str
    values: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    token: str = ""
    block: str = ""
    missing: str = ""


def accounts_of(file: SettingsFile | None) -> list[str]:
    """The accounts there are: those of the file, and `default` where the environment or the file's top sets its token.

    A token that a section refers to is that account's alone. Without a section there is `default`.
    """
    if file is None or not file.accounts:
        return [DEFAULT]
    names = list(file.accounts)
    referred = {section.get("token") for section in file.accounts.values()}
    own = any(environment.setting(each) and f"env:SIMTANDEM_{each.upper()}" not in referred for each in TOKENS.values())
    if DEFAULT not in names and (own or "token" in file.general):
        names.append(DEFAULT)
    return names


def choose(file: SettingsFile | None, asked: str) -> str:
    """The account that is asked for, else the only one. Raises `InputError` naming those there are."""
    names = accounts_of(file)
    asked = asked or environment.setting("account") or (file.general.get("account", "") if file else "")
    if asked in names or asked == DEFAULT:
        return asked
    told = ", ".join(names)
    if asked:
        where = f"{file.path} has" if file is not None and file.accounts else "there is no settings file that names it;"
        raise InputError(f"There is no account {_plain(asked)}: {where} {told}. Nothing was sent.")
    if len(names) == 1:
        return names[0]
    raise InputError(
        f"There are {len(names)} accounts: {told}. Nothing was sent.\n"
        'Name one: --account NAME, SIMTANDEM_ACCOUNT, or account = "NAME" at the top of the settings file.'
    )


def settings_of(file: SettingsFile | None, account: str) -> AccountSettings:
    """What the file sets for this account, secrets looked up. Raises `InputError` where a secret is written out."""
    found = AccountSettings(account)
    if file is None:
        return found
    section = file.accounts.get(account)
    carrier = file.general.get("carrier", _EMNIFY) if section is None else section.get("carrier", _EMNIFY)
    found.token = TOKENS.get(carrier, "")
    for key, value in file.general.items():
        name = _field(key, carrier)
        if environment.setting(name) is None and not (section is not None and name in LOGIN):
            found.values[name], found.places[name] = value, f"{file.path}, {key}"
    for key, value in (section or {}).items():
        found.values[_field(key, carrier)] = value
        found.places[_field(key, carrier)] = f"{file.path}, [accounts.{account}] {key}"
    for name in (*TOKENS.values(), *_OF_HOME):
        _look_up(found, name)
    return found


def same_token(file: SettingsFile | None, account: str, default_url: str) -> list[str]:
    """Other accounts that have this one's token at its host: the carrier takes them for one account."""
    if file is None or not file.accounts:
        return []
    own = _login(file, account, default_url)
    others = [name for name in accounts_of(file) if name != account]
    return [name for name in others if own and _login(file, name, default_url) == own]


def _login(file: SettingsFile, account: str, default_url: str) -> tuple[str, str] | None:
    values = settings_of(file, account).values
    given = _nothing if account in file.accounts else environment.setting
    carrier = values.get("carrier") or given("carrier") or _EMNIFY
    name, at = TOKENS.get(carrier, ""), URLS.get(carrier, "")
    token, url = values.get(name) or given(name), values.get(at) or given(at) or default_url
    try:
        return (host_of(url), token) if token else None
    except ValueError:
        return None


def _nothing(_name: str) -> None:
    """Of the environment, nothing is this account's."""


def _look_up(found: AccountSettings, name: str) -> None:
    """Put the secret in place of the reference to it."""
    value = found.values.pop(name, None)
    if value is None:
        return
    place, reference = found.places[name], _REFERENCE.fullmatch(value.strip())
    kind, what = reference.groups() if reference else ("", "")
    if name == "ledger_url" and not reference and _without_password(value):
        found.values[name] = value
    elif not reference or (kind == "block" and name not in TOKENS.values()):
        also = ", or block:NAME of a Secret block of Prefect's" if name in TOKENS.values() else ""
        raise InputError(
            f"{place}: a secret must not be in the settings file. Nothing was sent.\n"
            f"Write where it is: {_REFERENCES}{also}. Anyone who may have read the secret here may use it: replace it."
        )
    elif kind == "block":
        found.block = what
    else:
        _resolve(found, name, kind, what)


def _resolve(found: AccountSettings, name: str, kind: str, what: str) -> None:
    try:
        secret = read_secret_file(Path(what).expanduser(), found.places[name]) if kind == "file" else None
        if kind == "env":
            secret = environment.variable(what)
        if not secret:
            raise InputError(f"{found.places[name]}: the variable {_plain(what)} is not set. Nothing was sent.")
    except (InputError, RuntimeError) as error:
        if name not in TOKENS.values():
            raise
        found.missing = str(error)  # who only reads reports needs no token
    else:
        found.values[name] = secret


def _field(key: str, carrier: str) -> str:
    names = {"url": URLS.get(carrier, key), "token": TOKENS.get(carrier, key)}
    return names.get(key, key)


def _without_password(url: str) -> bool:
    try:
        return urlsplit(url).password is None
    except ValueError:
        return False


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:60]

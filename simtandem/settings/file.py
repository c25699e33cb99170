"""The settings file: general settings first, then one section for each account.

    max_suspend_share = 0.1

    [accounts.depot-eu]
    url = "https://cdn.emnify.net"
    token = "env:DEPOT_EU_TOKEN"

It says who gets a token and where that goes, so nobody but its owner may read or write it. It holds no secret itself:
each is a reference to an environment variable, a file or a Secret block of Prefect's.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from schemas.accounts import NAME_RULE, is_name
from simtandem.errors import InputError

ACCOUNTS = "accounts"
_LARGEST, _LARGEST_SECRET = 1_000_000, 16_384
_OTHERS, _OTHERS_WRITE = 0o077, 0o022
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a settings file says, every value as text. `accounts` in the order of the file."""

    path: Path
    general: Values
    accounts: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys a settings file may have: at its top, and in the section of an account.

    `written` has what some settings, which would be taken for keys, are called here.
    """

    general: frozenset[str]
    account: frozenset[str]
    written: Values = field(default_factory=dict)


def read_settings_file(path: Path, keys: Keys) -> SettingsFile | None:
    """The file's settings; None where there is no such file.

    Raises `InputError` where others may read or write it, where it can't be read, and for each key it can't have.
    """
    text = _text(path)
    if text is None:
        return None
    try:
        read = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unusable(path, [f"it is not TOML: {_without_text(error)}"]) from None
    sections = read.pop(ACCOUNTS, {})
    problems: list[str] = []
    general = _values(read, keys.general, "", problems, written=keys.written)
    accounts = {}
    if not isinstance(sections, dict):
        problems.append("accounts: write a section for each account, such as [accounts.depot-eu]")
        sections = {}
    for name, section in sections.items():
        if not is_name(name):
            problems.append(f"[accounts.{_plain(name)}]: {NAME_RULE}")
        elif not isinstance(section, dict):
            problems.append(f"accounts.{name}: write a section, [accounts.{name}]")
        else:
            where = f"[accounts.{name}] "
            accounts[name] = _values(section, keys.account, where, problems, keys.general, keys.written)
    if problems:
        raise _unusable(path, problems)
    return SettingsFile(path, general, accounts)


def read_secret_file(path: Path, what: str) -> str:
    """The one secret that is in a file, without blanks around it. Raises `InputError`, which never shows it."""
    try:
        with _opened(path) as file:
            kept = os.fstat(file.fileno())
            wrong = _OTHERS if kept.st_uid == os.geteuid() else _OTHERS_WRITE
            if not stat.S_ISREG(kept.st_mode) or kept.st_size > _LARGEST_SECRET:
                raise InputError(f"{what}: {_plain(path)} is no file with one secret. Nothing was sent.")
            if kept.st_mode & wrong:
                raise InputError(
                    f"{what}: other users of this machine may read or change {_plain(path)}. Nothing was sent.\n"
                    f"Close it (chmod 600 {_plain(path)}), and think of a new token."
                )
            secret = file.read(_LARGEST_SECRET).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"{what}: {_plain(path)} can't be read ({reason}). Nothing was sent.") from None
    if not secret:
        raise InputError(f"{what}: {_plain(path)} is empty. Nothing was sent.")
    return secret


def _text(path: Path) -> str | None:
    try:
        with _opened(path) as file:
            _require_own(path, os.fstat(file.fileno()))
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, [f"it can't be read: {error.strerror}"]) from error
    if len(data) > _LARGEST:
        raise _unusable(path, ["it is too large"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(path, ["it is not UTF-8 text"]) from None


def _opened(path: Path) -> BinaryIO:
    """The file, opened without waiting for anyone who writes to a pipe of that name."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _require_own(path: Path, kept: os.stat_result) -> None:
    if not stat.S_ISREG(kept.st_mode):
        raise _unusable(path, ["it is no regular file"])
    if kept.st_uid not in (os.geteuid(), 0):
        raise _unusable(path, [f"it belongs to another user (number {kept.st_uid}), who decides what it says"])
    if kept.st_mode & _OTHERS:
        mode = f"{stat.S_IMODE(kept.st_mode):04o}"
        how = f"other users may read or change it (mode {mode}); look at it, then: chmod 600 {_plain(path)}"
        raise _unusable(path, [how])


def _values(
    read: Mapping[str, Any],
    known: frozenset[str],
    where: str,
    problems: list[str],
    elsewhere: frozenset[str] = frozenset(),
    written: Values = MappingProxyType({}),
) -> dict[str, str]:
    values = {}
    for key, value in read.items():
        if key in known and isinstance(value, str | int | float):
            values[key] = str(value).lower() if isinstance(value, bool) else str(value)
        elif key in known:
            problems.append(f"{where}{key}: must be a text, a number, true or false")
        elif key in elsewhere:
            problems.append(f"{where}{key}: holds for all accounts: write it above the first section")
        elif key in written:
            problems.append(f"{where}{key}: a settings file calls it {written[key]}")
        else:
            near = get_close_matches(key, known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            problems.append(f"{where}{_plain(key)}: there is no such setting.{hint}")
    return values


def _unusable(path: Path, problems: list[str]) -> InputError:
    lines = "\n  ".join(problems)
    return InputError(f"The settings file {_plain(path)} can't be used, nothing was sent:\n  {lines}")


def _without_text(error: Exception) -> str:
    """Where it is wrong, without what is there: that may be a secret."""
    place = str(error).rpartition("(")[2].rstrip(")")
    return place if place.startswith("at ") else "its structure is wrong"


def _plain(text: object) -> str:
    return "".join(each if each.isprintable() else "?" for each in str(text))[:200]

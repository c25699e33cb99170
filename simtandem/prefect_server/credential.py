"""The credential of a home's Prefect server: anyone who has it has the rights of the worker's user.

It is generated, and kept in a file that only the home's owner reads. An operator's own credential, for clients
elsewhere, opens the same server beside it.
"""

import secrets
from pathlib import Path

from simtandem.errors import InputError
from simtandem.host.atomic_file import replacing
from simtandem.settings import prefect_auth_string
from simtandem.text import redaction

_FILE = "auth"
_LENGTH, _DIFFERENT = 16, 8  # characters that the password of an operator's own credential has at least


def kept_credential(home: Path) -> str:
    """The credential of the Prefect server with this home; empty where none was made yet. Raises `OSError`."""
    try:
        kept = (home / _FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    redaction.learn(kept)
    return kept


def make_credential(home: Path) -> str:
    """As `kept_credential`, made where there is none. For the one process that starts the server."""
    kept = kept_credential(home)
    if kept:
        return kept
    with replacing(home / _FILE, private=True) as file:
        file.write(f"simtandem:{secrets.token_urlsafe(32)}".encode())
    return kept_credential(home)


def forget_credential(home: Path) -> None:
    """Have the next server of this home get a new one: this one may have been heard by another program."""
    (home / _FILE).unlink(missing_ok=True)


def own_credential() -> str:
    """The operator's own, from PREFECT_SERVER_API_AUTH_STRING; empty where none is set. Raises `InputError`."""
    own = prefect_auth_string() or ""
    user, _, password = own.partition(":")
    if own and not (user and len(password) >= _LENGTH and len(set(password)) >= _DIFFERENT):
        raise InputError(
            f"PREFECT_SERVER_API_AUTH_STRING is too weak: it is user:password, and the password alone needs {_LENGTH} "
            f"characters, {_DIFFERENT} of them different. Nothing was sent.\n"
            "Make a password with `openssl rand -hex 24`, or unset it: the server has a generated credential anyway."
        )
    return own

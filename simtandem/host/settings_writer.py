"""Adding an account to the settings file: what is there stays as it is, comments included."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from schemas.accounts import NAME_RULE, is_name
from simtandem.errors import InputError
from simtandem.host.atomic_file import replacing
from simtandem.settings import load_home, settings_file
from simtandem.settings.load import FILE


@contextmanager
def added_account(name: str, section: Mapping[str, str], token: str = "") -> Iterator[Path]:
    """The settings file with one more account, this user's alone. Where the block fails it is as it was before.

    A `token` goes into a file of its own beside it, to which the section then refers. Raises `InputError` where the
    account is there already, or can't be called so.
    """
    file, home = settings_file(), load_home().home
    path = file.path if file else home / FILE
    if not is_name(name):
        raise InputError(f"{name!r} can't be the name of an account: {NAME_RULE}. Nothing was written.")
    if file is not None and name in file.accounts:
        raise InputError(f"{path} has an account {name} already. Nothing was written. Change it there.")
    kept, secret = home / f"{name}.token", dict(section)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = path.read_bytes() if file else None
        if token:
            if kept.exists():
                raise InputError(
                    f"{kept} is there already. Nothing was written. Move it away, or name another account."
                )
            secret["token"] = f"file:{kept}"
            _write(kept, f"{token}\n".encode())
        _write(path, _text(before, name, secret))
    except OSError as error:
        raise InputError(f"The settings can't be written to {path.parent}: {error.strerror}.") from error
    try:
        yield path
    except BaseException:
        path.unlink() if before is None else _write(path, before)
        if token:
            kept.unlink(missing_ok=True)
        raise


def _text(before: bytes | None, name: str, section: Mapping[str, str]) -> bytes:
    lines = [f"[accounts.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    own = "\n".join(lines) + "\n"
    return (before.rstrip() + b"\n\n" if before and before.strip() else b"") + own.encode()


def _write(path: Path, content: bytes) -> None:
    with replacing(path, private=True) as file:
        file.write(content)

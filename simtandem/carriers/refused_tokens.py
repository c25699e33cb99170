"""Tokens, keys and passwords that the carrier refused, remembered across processes: failed logins may lock an account.

The file is in SIMTANDEM_HOME, one for each account. It holds no token: only a salted, slow hash of it. A refusal
counts until the token changes or an operator lets it be tried again. A lock of the account, as emnify has one after
three failures, counts for the five minutes it lasts.
"""

import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.accounts import AccountKey
from simtandem.host.atomic_file import replacing

log = logging.getLogger(__name__)

LOCKED_S = 300.0
"""How long the carrier locks an account after three failures in a row."""

_MOST = 20  # tokens; the oldest are forgotten
_LARGEST_FILE, _LONGEST_WORDS, _LATEST = 100_000, 300, 1e11


@dataclass(frozen=True, slots=True)
class Refusal:
    """A token was refused at `at` (seconds since 1970); `said` is the answer. `until` is set where that passes."""

    hash: str
    at: float
    said: str
    until: float | None = None

    @property
    def when(self) -> str:
        """When it was refused, for people."""
        return f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class _Kept:
    salt: str
    refused: list[Refusal]


def refused_tokens(home: Path, account: AccountKey) -> "RefusedTokens":
    """Those of this account, remembered in this home."""
    return refused_by_name(home, account.file_name)


def refused_by_name(home: Path, name: str) -> "RefusedTokens":
    """As `refused_tokens`, by the account's name in the names of files."""
    return RefusedTokens(home / f"refused-tokens-{name}.json")


class RefusedTokens:
    """What is remembered of one account. A file that can't be read or written costs the memory, nothing else."""

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    @property
    def lock_file(self) -> Path:
        """Held during a login: one of many processes finds out, and the others read what it found."""
        return self._file.with_suffix(".lock")

    def refusal_of(self, token: str) -> Refusal | None:
        """The refusal that still counts for this token, if there is one."""
        kept = self._counting()
        wanted = _hash(token, kept.salt) if kept.refused else ""
        return next((each for each in kept.refused if hmac.compare_digest(each.hash, wanted)), None)

    def remember(self, token: str, said: str, *, lasts_s: float | None = None) -> None:
        """The carrier refused this token, permanently or for so many seconds."""
        now, kept = self._clock(), self._counting()
        hashed = _hash(token, kept.salt)
        others = [each for each in kept.refused if not hmac.compare_digest(each.hash, hashed)]
        refusal = Refusal(hashed, now, said[:_LONGEST_WORDS], None if lasts_s is None else now + lasts_s)
        self._write(_Kept(kept.salt, [*others[-_MOST + 1 :], refusal]))

    def forget(self) -> int:
        """Let every token be tried again; returns how many were remembered. Raises `OSError` where it can't."""
        known = len(self._counting().refused)
        self._file.unlink(missing_ok=True)
        return known

    def _counting(self) -> _Kept:
        now, kept = self._clock(), self._read()
        refused = [each for each in kept.refused if each.until is None or now < each.until <= now + LOCKED_S]
        return _Kept(kept.salt, refused)

    def _read(self) -> _Kept:
        try:
            with self._file.open(encoding="utf-8") as file:
                kept = json.loads(file.read(_LARGEST_FILE))
            return _Kept(_hex(kept["salt"]), [_refusal(each) for each in kept["refused"]])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("Refused tokens can't be read from %s (%s): none is known", self._file, error)
        return _Kept(secrets.token_hex(16), [])

    def _write(self, kept: _Kept) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file, private=True) as file:
                file.write(json.dumps(asdict(kept), indent=1).encode())
        except OSError as error:
            log.warning("The refused token can't be remembered in %s (%s): later runs try it again", self._file, error)


def _refusal(kept: dict[str, object]) -> Refusal:
    until = kept.get("until")
    said = str(kept["said"])[:_LONGEST_WORDS]
    return Refusal(_hex(kept["hash"]), _seconds(kept["at"]), said, None if until is None else _seconds(until))


def _hex(kept: object) -> str:
    return bytes.fromhex(str(kept)).hex()


def _seconds(kept: object) -> float:
    if isinstance(kept, bool) or not isinstance(kept, int | float) or not 0 <= kept < _LATEST:
        raise ValueError("no moment")
    return float(kept)


def _hash(token: str, salt: str) -> str:
    return hashlib.scrypt(token.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()

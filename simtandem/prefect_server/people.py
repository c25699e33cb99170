"""People who log in to a home's Prefect server with a credential of their own, and what they asked for or decided.

Of a person's secret only the hash is kept. Prefect notes no person: who began a flow run, and who answered what it
asked, is noted here, beside Prefect's database.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from simtandem.errors import InputError
from simtandem.host.atomic_file import replacing

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_SHARED = "simtandem"  # the name in the home's own credential


@dataclass(frozen=True, slots=True)
class People:
    """Those of one home."""

    home: Path

    def names(self) -> list[str]:
        """All of them, in order."""
        return sorted(self._read())

    def add(self, name: str) -> str:
        """The credential of someone new, or a new one in place of theirs. Raises `InputError`."""
        if not _NAME.fullmatch(name) or name == _SHARED:
            raise InputError(
                f"{name!r} can't be a person's name: 2 to 40 of a-z, 0-9, `.`, `_`, `-`, a letter or digit first, and "
                f"not `{_SHARED}`. Nothing was changed."
            )
        secret = secrets.token_urlsafe(32)
        self._write({**self._read(), name: _hash(secret)})
        return f"{name}:{secret}"

    def remove(self, name: str) -> None:
        """Their credential opens nothing any more. Raises `InputError` where there is none."""
        known = self._read()
        if name not in known:
            raise InputError(f"There is no person {name!r}: `simtandem people list` shows all. Nothing was changed.")
        self._write({each: kept for each, kept in known.items() if each != name})

    def who(self, credential: str) -> str:
        """Whose credential that is; empty where it is nobody's."""
        name, _, secret = credential.partition(":")
        expected = self._read().get(name, "")
        return name if expected and hmac.compare_digest(expected, _hash(secret)) else ""

    def _write(self, known: dict[str, str]) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(self._file, private=True) as file:
            file.write(json.dumps(known, indent=1).encode())

    @property
    def _file(self) -> Path:
        return self.home / "people.json"

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {str(name): str(kept) for name, kept in known.items()}


@dataclass(frozen=True, slots=True)
class Deeds:
    """Who began which flow run, and who answered what it asked."""

    home: Path

    def note(self, who: str, flow_run: str, key: str = "") -> None:
        """They began it; with the key of a question, they answered that."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = json.dumps({"who": who, "flow_run": flow_run, "key": key}) + "\n"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def of(self, flow_run: str) -> dict[str, str]:
        """By key, who did it first; under the empty key, who began the run."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        did: dict[str, str] = {}
        for line in lines:
            if flow_run in line:
                noted = json.loads(line)
                if noted["flow_run"] == flow_run:
                    did.setdefault(noted["key"], noted["who"])
        return did

    @property
    def _file(self) -> Path:
        return self.home / "deeds.jsonl"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

"""How an embedded server proves that it is the one that was started for a home, and not another program on its port.

The process that starts it notes its address and a secret in a file that only this user reads, and hands the server the
secret. Asked with a number never used before, the server answers with a proof that takes the secret, and that holds for
its own home only. The secret itself is never sent: a foreign program on that port learns nothing.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import secrets
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from simtandem import __version__
from simtandem.host.atomic_file import replacing

PROOF_PATH = "/api/simtandem/proof"
ANSWERS_WITHIN_S = 5.0
_LONGEST = 10_000  # characters of an answer that may be anybody's
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy can't reach this machine's loopback


class Answer(StrEnum):
    """What came of asking a server who it is."""

    OURS = "ours"
    OTHER_VERSION = "of another version"
    FOREIGN = "foreign"
    SILENT = "silent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ServerNote:
    """Where an embedded server is, its secret, and the version of simtandem that started it."""

    url: str
    key: str
    version: str

    @classmethod
    def new(cls, url: str) -> Self:
        """For a server about to be started there."""
        return cls(url, secrets.token_hex(32), __version__)

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The note in that file; None where there is none that can be used."""
        try:
            noted = json.loads(file.read_text(encoding="utf-8"))
            note = cls(noted["url"], noted["key"], noted["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        usable = all(isinstance(each, str) for each in asdict(note).values())
        return note if usable and note.key and note.url.startswith("http://") else None

    def write(self, file: Path) -> None:
        """Keep it there, whole or not at all, for this user alone."""
        with replacing(file, private=True) as kept:
            kept.write(json.dumps(asdict(self)).encode())

    def ask(self, home: Path, within_s: float = ANSWERS_WITHIN_S) -> Answer:
        """Ask the server who it is. Never raises; waits so long at most."""
        nonce = secrets.token_hex(16)
        address = f"{self.url.removesuffix('/api')}{PROOF_PATH}?{nonce}"
        try:
            with _DIRECT.open(address, timeout=within_s) as answer:
                told = json.loads(answer.read(_LONGEST))
            return self._judge(str(told["proof"]), told["version"], proof(self.key, nonce, self.port, home))
        except urllib.error.HTTPError as error:
            error.close()
            return Answer.FOREIGN
        except (OSError, http.client.HTTPException) as error:
            return _no_answer(error)
        except Exception:  # noqa: BLE001 - any answer of a foreign program, and any error from it
            return Answer.FOREIGN

    def _judge(self, told: str, version: object, expected: str) -> Answer:
        if not hmac.compare_digest(told.encode(), expected.encode()):
            return Answer.FOREIGN
        return Answer.OURS if version == __version__ else Answer.OTHER_VERSION

    @property
    def port(self) -> int:
        """The port of its address; 0 where it has none."""
        try:
            return urlsplit(self.url).port or 0
        except ValueError:
            return 0


def running_server(home: Path) -> ServerNote | None:
    """Where the server of this home is, if it answers there now."""
    note = ServerNote.read(home / "server.json")
    return note if note is not None and note.ask(home) is Answer.OURS else None


def is_server_of(home: Path, url: str) -> bool:
    """Whether the server of this home runs at that address: only then is the home's credential sent to it."""
    note = ServerNote.read(home / "server.json")
    return note is not None and note.url == url.rstrip("/") and note.ask(home) is Answer.OURS


def is_of_a_home(url: str, within_s: float = ANSWERS_WITHIN_S) -> bool:
    """Whether a server of simtandem's of this version answers there, of whichever home. Never raises.

    It says so itself: enough to name its pages, not to send it anything.
    """
    try:
        with _DIRECT.open(f"{url.rstrip('/').removesuffix('/api')}{PROOF_PATH}", timeout=within_s) as answer:
            return bool(json.loads(answer.read(_LONGEST))["version"] == __version__)
    except Exception:  # noqa: BLE001 - any answer of a foreign program, and any error from it
        return False


def _no_answer(error: Exception) -> Answer:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return Answer.SILENT
    return Answer.REFUSED if isinstance(reason, OSError) else Answer.FOREIGN


def proof(key: str, nonce: str, port: int, home: Path) -> str:
    """What only the server of that home with that secret can answer. The port keeps others from passing a proof on."""
    return hmac.new(key.encode(), f"{nonce} {port} {home.resolve()}".encode(), hashlib.sha256).hexdigest()


def server_pid(file: Path) -> int | None:
    """The id noted there of a server's process. It is one only while that process holds its lock on the file."""
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text())
    return None

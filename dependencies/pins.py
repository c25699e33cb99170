"""The pinned packages of a requirement file that pip-compile wrote."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "requirements.txt"
BUILD = ROOT / "requirements-build.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"
AUDIT = ROOT / "requirements-audit.txt"
DOCUMENTATION = ROOT / "requirements-docs.txt"
SDK = ROOT / "tests/simtandem/emulator/requirements-sdk.txt"
EVERY_FILE = (RUNTIME, BUILD, DEVELOPMENT, AUDIT, DOCUMENTATION, SDK)

_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})*)")


@dataclass(frozen=True)
class Pin:
    """A package in one version, and how many files of it are known by their hash."""

    name: str
    version: str
    hashes: int


def read(path: Path) -> list[Pin]:
    """The pins, in the order of the file.

    Raises `ValueError` for any line that is no pin: an option, an address, or a range has no place there.
    """
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    joined = " ".join(lines).replace(" \\", "").replace(" --hash", "\0")
    return [_pin(pin.replace("\0", " --hash")) for pin in joined.split()]


def _pin(line: str) -> Pin:
    if (match := _PIN.fullmatch(line)) is None:
        raise ValueError(f"not a package pinned by version and hash: {line[:100]}")
    return Pin(match["name"], match["version"], match["hashes"].count("sha256:"))

"""Looks for known vulnerabilities of the pinned packages, and never says that there are none where nobody was asked.

    python -m dependencies.advisories

pip-audit, which asks, ends well where the package index doesn't know a package, or has no advisories at all (a mirror,
say). So its answers are counted here: a package that was skipped was not checked. Out of reach is not a failure, and it
takes a minute at most; a vulnerability is one, unless pyproject.toml accepts it and says why.
"""

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dependencies.pins import AUDIT, BUILD, DEVELOPMENT, ROOT, RUNTIME

SOURCES = ("pypi", "osv")
LONGEST_S = 60.0
FILES = (RUNTIME, BUILD, DEVELOPMENT, AUDIT)


@dataclass(frozen=True)
class Found:
    """What one source of advisories said."""

    checked: int
    skipped: int
    vulnerable: dict[str, str] = field(default_factory=dict)
    """Advisory → package, version, and the versions that mend it."""


def read_answer(document: str) -> Found | None:
    """What pip-audit printed with `--format json`; `None` if it printed no such document: it could not ask."""
    try:
        packages = json.loads(document)["dependencies"]
    except (ValueError, TypeError, KeyError):
        return None
    checked = [package for package in packages if "version" in package]
    vulnerable = {
        advisory["id"]: f"{package['name']} {package['version']}, mended in {_versions(advisory['fix_versions'])}"
        for package in checked
        for advisory in package["vulns"]
    }
    return Found(len(checked), len(packages) - len(checked), vulnerable)


def _versions(versions: Sequence[str]) -> str:
    return ", ".join(versions) or "no version yet"


def ask(command: Sequence[str], seconds: float) -> Found | None:
    """Runs pip-audit, and ends it after so many seconds; `None` if it got no answer."""
    try:
        done = subprocess.run(command, timeout=seconds, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    except (subprocess.TimeoutExpired, OSError):
        return None
    return read_answer(done.stdout)


def pip_audit(source: str) -> list[str]:
    """The command that asks this source about every package pinned for us; nothing is installed or resolved for it."""
    files = [argument for path in FILES for argument in ("--requirement", str(path))]
    how = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    return [sys.executable, "-m", "pip_audit", "--vulnerability-service", source, *how, *files]


def verdict(found: Found | None, accepted: Mapping[str, str]) -> tuple[int, list[str]]:
    """The exit code, and what to print."""
    if found is None or not found.checked:
        return 0, ["advisories: NOT CHECKED: no source of advisories answered"]
    lines = [f"advisories: {found.checked} pinned packages checked"]
    if found.skipped:
        lines.append(f"advisories: {found.skipped} packages NOT CHECKED: the source does not know them")
    for advisory, package in found.vulnerable.items():
        reason = f" (accepted: {accepted[advisory]})" if advisory in accepted else ""
        lines.append(f"VULNERABLE: {package}: {advisory}{reason}")
    return int(bool(found.vulnerable.keys() - accepted.keys())), lines


def look(commands: Sequence[Sequence[str]], seconds: float = LONGEST_S) -> Found | None:
    """Asks one source after the other until one answers; together they have so many seconds."""
    end = time.monotonic() + seconds
    for command in commands:
        left = end - time.monotonic()
        if left > 0 and (found := ask(command, left)) is not None and found.checked:
            return found
    return None


def main() -> int:
    """Prints what was found; 1 if something is vulnerable that nobody accepted."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"].get("simtandem", {})
    code, lines = verdict(look([pip_audit(source) for source in SOURCES]), settings.get("accepted-advisories", {}))
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())

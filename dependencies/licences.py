"""`docs/licences.md`: the licence of every package that is installed with simtandem, as the package states it.

python -m dependencies.licences
"""

import re
from collections.abc import Callable
from importlib.metadata import metadata
from typing import Protocol

from dependencies.pins import ROOT, RUNTIME, Pin, read

PAGE = ROOT / "docs/licences.md"
COPYLEFT = re.compile(
    r"GPL|General Public|MPL|Mozilla Public|EPL|Eclipse Public|CDDL|EUPL|OSL|SSPL|SA-\d", re.IGNORECASE
)
_CLASSIFIER = "License :: "
_OPENINGS = {"the mit license": "MIT", "mit license": "MIT", "apache license": "Apache-2.0"}

HEAD = """# Licences of what is installed with simtandem

simtandem itself is under Apache-2.0 ([LICENSE](../LICENSE)). `make licences` writes this page from what each package of
`requirements.txt` states of itself; a test fails where it is not current. Development tools are not listed: they are
not installed where simtandem runs.

**copyleft** marks licences that ask something of whoever passes the package on, changed or with other software: each is
used unchanged, as a package of its own that can be replaced, and simtandem is not passed on to others. Look at them
again before you give somebody an image or an archive that holds them.
"""


class Described(Protocol):
    """What `importlib.metadata` knows of an installed package."""

    def get_all(self, name: str, /) -> list[str] | None: ...  # noqa: D102 - as in importlib.metadata


def page(pins: list[Pin], described: Callable[[str], Described]) -> str:
    """The whole page; `described` looks a package up by its name."""
    rows = [(pin, licence(described(pin.name))) for pin in pins]
    marked = sum(is_copyleft(stated) for _, stated in rows)
    lines = [
        HEAD,
        f"{len(rows)} packages, {marked} of them copyleft.\n",
        "| package | version | licence | |",
        "|---|---|---|---|",
        *(f"| {p.name} | {p.version} | {stated} | {'**copyleft**' * is_copyleft(stated)} |" for p, stated in rows),
    ]
    return "\n".join(lines) + "\n"


def licence(described: Described) -> str:
    """The expression if there is one, else the classifiers, else the first line of the free text, else `not stated`."""
    if expressions := described.get_all("License-Expression"):
        return expressions[0]
    classifiers = [c.removeprefix(_CLASSIFIER) for c in described.get_all("Classifier") or [] if _CLASSIFIER in c]
    if named := [c.rpartition(" :: ")[2] for c in classifiers if c != "OSI Approved"]:
        return ", ".join(named)
    text = " ".join(described.get_all("License") or []).strip()
    first = text.splitlines()[0].strip() if text else ""
    return _OPENINGS.get(first.lower(), first).replace("|", "/") or "not stated"


def is_copyleft(stated: str) -> bool:
    """Is one of the licences that are stated a copyleft one? A choice (`OR`) counts too: somebody should look."""
    return COPYLEFT.search(stated) is not None


if __name__ == "__main__":
    PAGE.write_text(page(read(RUNTIME), metadata), encoding="utf-8")

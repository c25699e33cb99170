"""The settings as the emulator's document tells them."""

from dataclasses import fields
from pathlib import Path

from simtandem.emulator.adjustable import Adjustable

DOCUMENT = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text()


def section(title: str) -> str:
    """What stands under a heading of the second level."""
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def told_defaults(text: str) -> dict[str, str]:
    """Each setting of the section's tables with its default; a single default is that of all in its row."""
    told: dict[str, str] = {}
    for row in (line.split("|") for line in text.splitlines() if line.startswith("| `") and "/_emulator" not in line):
        names, values = row[1].split(","), row[2].split(",")
        values = values * len(names) if len(values) == 1 else values
        told |= {name.strip(" `"): value.strip(" `") for name, value in zip(names, values, strict=True)}
    return told


def defaults(kind: type[Adjustable]) -> dict[str, str]:
    """Each setting with its default as a document writes it."""
    return {each.name: _written(each.default) for each in fields(kind)}  # type: ignore[arg-type]


def _written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)

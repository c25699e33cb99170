"""Writes what a page says of the program from the program: commands, settings, errors, folders and their imports.

    .venv/bin/python docs/generate.py

A test compares what stands there with what would be written.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from simtandem.carriers.registry import fields_of
from simtandem.errors import SimtandemError
from simtandem.selection.fields import ListedField
from simtandem.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs" / "reference" / "commands.md"
SETTINGS = ROOT / "docs" / "reference" / "settings.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
README = ROOT / "README.md"
SELECTING = ROOT / "docs" / "selecting.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
ROOMS = ("flows", "tasks", "schemas")


def commands_page() -> str:
    """Every command with its arguments and options, as `--help` says them."""
    program = [sys.executable, "-m", "typer", "simtandem.cli.app", "utils", "docs", "--name", "simtandem"]
    written = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    text = re.sub(r"^#", "##", written, flags=re.MULTILINE).replace("&#x27;", "'")
    return "# Commands\n\nWritten from the program's `--help`.\n\n" + text.strip() + "\n"


def settings_table() -> str:
    """Every setting with its default and what it is, as a Markdown table."""
    return "\n".join(["| name | default | what it is |", "|---|---|---|", *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined, "") else f"`{_shown(field.default)}`"
        about = (field.description or "").replace("|", "\\|")
        yield f"| `{PREFIX}{name.upper()}` | {default} | {about} |"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_page() -> str:
    """The page about settings."""
    whence = "Read from the environment and from `settings.toml`. All are optional but the carrier's token."
    return f"# Settings\n\n{whence}\n\n{settings_table()}"


def fields_table() -> str:
    """The fields of each carrier that a selection may name, as Markdown tables."""
    tables = []
    for carrier in ("emnify", "iot-accelerator"):
        rows = [f"| {_named(each)} | {each.kind} | {each.says} |" for each in fields_of(carrier).fields]
        tables.append("\n".join([f"At {carrier}:", "", "| field | holds | what it is |", "|---|---|---|", *rows]))
    return "\n\n".join(tables) + "\n"


def _named(field: ListedField) -> str:
    return " or ".join(f"`{name}`" for name in (field.name, *field.aliases))


def errors_table() -> str:
    """Every error of the tree with its exit code, what it means, and its remedy, as a Markdown table."""
    rows = [f"| `{error.__name__}` | {error.exit_code} | {_meaning(error)} | {error.remedy} |" for error in _errors()]
    return "\n".join(["| error | exit code | what happened | what to do |", "|---|---|---|---|", *rows]) + "\n"


def _errors(root: type[SimtandemError] = SimtandemError) -> Iterator[type[SimtandemError]]:
    for error in root.__subclasses__():
        if error.__module__ == SimtandemError.__module__:
            yield error
            yield from _errors(error)


def _meaning(error: type[SimtandemError]) -> str:
    return " ".join((error.__doc__ or "").split("\n\n")[0].split())


def folder_picture() -> str:
    """One line for each folder: its name, the first sentence of its docstring, and the folders it imports."""
    imported = _imported_folders()
    names = _ordered(imported)
    width = max(map(len, names))
    lines = [f"{name:<{width}}  {_holds(name)}\n{'':<{width}}    ↓ {_list(imported[name], names)}" for name in names]
    return "\n".join(["```text", *lines, "```"]) + "\n"


def _list(imported: set[str], names: list[str]) -> str:
    return " ".join(name for name in names if name in imported) or "nothing"


def _imported_folders() -> dict[str, set[str]]:
    """The folders that each folder imports, itself left out; single modules are left out as well."""
    folders = {*ROOMS, *(path.parent.name for path in (ROOT / "simtandem").glob("*/__init__.py"))}
    found: dict[str, set[str]] = {name: set() for name in folders}
    for name in folders:
        for path in _path(name).rglob("*.py"):
            found[name] |= {each for each in map(_folder, _imports(path)) if each in folders} - {name}
    return found


def _path(name: str) -> Path:
    return ROOT / name if name in ROOMS else ROOT / "simtandem" / name


def _folder(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "simtandem" and len(parts) > 1 else parts[0]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _ordered(imported: dict[str, set[str]]) -> list[str]:
    """Each folder after all that import it, by name where that leaves a choice."""
    left, ordered = dict(imported), list[str]()
    while left:
        free = sorted(name for name in left if not any(name in each for each in left.values()))
        ordered += free or sorted(left)[:1]  # where two import each other, as to start a flow
        left = {name: each for name, each in left.items() if name not in ordered}
    return ordered


def _holds(name: str) -> str:
    said = ast.get_docstring(ast.parse((_path(name) / "__init__.py").read_text(encoding="utf-8"))) or ""
    return " ".join(said.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def renewed(path: Path, name: str, table: str) -> str:
    """The page with the table between its two marks renewed."""
    begin, end = f"<!-- {name}: written by docs/generate.py -->\n", f"<!-- end of {name} -->\n"
    text = path.read_text(encoding="utf-8")
    return text[: text.index(begin) + len(begin)] + "\n" + table + "\n" + text[text.index(end) :]


def pages() -> dict[Path, str]:
    """What is generated, by the file it stands in."""
    return {
        COMMANDS: commands_page(),
        SETTINGS: settings_page(),
        TROUBLESHOOTING: renewed(TROUBLESHOOTING, "errors", errors_table()),
        SELECTING: renewed(SELECTING, "fields", fields_table()),
        ARCHITECTURE: renewed(ARCHITECTURE, "folders", folder_picture()),
        README: renewed(README, "settings", settings_table()),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")

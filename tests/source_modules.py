"""The modules of the repository as sources, for the rules of the house that a program can check."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("flows", "tasks", "simtandem", "schemas")


@cache
def parse(source: str) -> ast.Module:
    return ast.parse(source)


@dataclass(frozen=True)
class Module:
    """A module of ours: its path from the root of the repository, and what stands in it."""

    path: str
    source: str

    @property
    def tree(self) -> ast.Module:
        return parse(self.source)

    @property
    def room(self) -> str:
        return self.path.split("/")[0]

    @property
    def dotted(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def imports(self) -> Iterator[str]:
        """Every name imported, wherever in the module, in full: `from a import b` gives `a` and `a.b`."""
        package = self.dotted if self.path.endswith("__init__.py") else self.dotted.rpartition(".")[0]
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names):
                    yield from (name.name for name in names)
                case ast.ImportFrom(module, names, level):
                    parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                    base = ".".join([*parents, *([module] if module else [])])
                    yield base
                    yield from (f"{base}.{name.name}" for name in names)
                case ast.Call(
                    ast.Name("__import__") | ast.Attribute(attr="import_module"), [ast.Constant(str(name)), *_]
                ):
                    yield name

    def imports_from(self, *packages: str) -> list[str]:
        return sorted({name for name in self.imports() if name.split(".")[0] in packages})


def read(folder: str) -> list[Module]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return [Module(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")) for file in files]


OURS = [module for room in ROOMS for module in read(room)]
TESTS = read("tests")


def is_in(module: Module, *places: str) -> bool:
    """A place is a file, or a folder with a slash at its end."""
    return any(module.path == place or (place.endswith("/") and module.path.startswith(place)) for place in places)


Rule = Callable[[Module], list[str]]
"""What breaks the rule in a module, one line each."""

"""The rule of the house about adapters: what only one carrier has is asked of its adapter, through the registry."""

import ast
import re

import pytest

from tests.source_modules import OURS, Module, is_in

ADAPTERS = ("simtandem/carriers/emnify/", "simtandem/carriers/aeris/")
REACH_INTO_ADAPTERS = {
    "simtandem/carriers/registry.py": r"(?!.*\.paths\b).*",
    "simtandem/rehearsal/stage.py": r".*\.aeris\.from_settings\b.*",  # the emulator speaks the words of the contract
}
_OF_AN_ADAPTER = re.compile(r"simtandem\.carriers\.(emnify|aeris)\b")
_PATH = re.compile(r"/(api/v\d|iot/api|dcpapi|AerAdmin_WS)")


def adapters_reached_past_the_registry(module: Module) -> list[str]:
    """Nobody else imports from an adapter, or spells the paths of its carrier."""
    if is_in(module, *ADAPTERS, "simtandem/emulator/"):
        return []
    allowed = REACH_INTO_ADAPTERS.get(module.path, "")
    reached = {name for name in module.imports() if _OF_AN_ADAPTER.match(name)}
    texts = [node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)]
    spelled = [text for text in texts if isinstance(text, str) and _PATH.match(text)]
    return sorted(name for name in reached if not re.fullmatch(allowed, name)) + spelled


def test_the_rule_holds_everywhere() -> None:
    assert [f"{each.path}: {breach}" for each in OURS for breach in adapters_reached_past_the_registry(each)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("simtandem/carriers/a.py", "from simtandem.carriers.emnify.paths import SIM"),
        ("simtandem/ledger/a.py", "from simtandem.carriers.aeris import paths"),
        ("simtandem/carriers/registry.py", "from .emnify.paths import SIM"),
        ("simtandem/ledger/last_known.py", "from simtandem.carriers.emnify import response_mapping"),
        ("simtandem/runs/a.py", "x = path.startswith('/api/v1/sim/')"),
        ("flows/a.py", "x = f'/AerAdmin_WS_5_0/{word}'"),
    ],
)
def test_the_rule_can_fail(path: str, source: str) -> None:
    assert adapters_reached_past_the_registry(Module(path, source)) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("simtandem/carriers/emnify/a.py", "from .paths import SIM\nx = '/api/v2/a'"),
        ("simtandem/carriers/registry.py", "from .emnify.lifecycle import EMNIFY"),
        ("simtandem/runs/a.py", "from simtandem.carriers.registry import patience_s\nx = '/api/health'"),
    ],
)
def test_the_rule_forbids_nothing_that_is_allowed(path: str, source: str) -> None:
    assert adapters_reached_past_the_registry(Module(path, source)) == []


def test_the_exceptions_are_needed() -> None:
    paths = {module.path: module for module in OURS}
    for path in REACH_INTO_ADAPTERS:
        assert any(_OF_AN_ADAPTER.match(name) for name in paths[path].imports())

"""The rules of the house about how long things get, how they are named, what packages export, and fakes.

Every rule is shown, on a few lines made up for it, to be able to fail.
"""

import ast
import re
from collections import Counter

import pytest

from tests.shown_elsewhere import SHOWN_ELSEWHERE
from tests.source_modules import OURS, TESTS, Module, Rule

LONGEST_MODULE = 350
LONGEST_FUNCTION = {"flows": 60, "tasks": 25, "simtandem": 40, "schemas": 40}


def modules_too_long(module: Module) -> list[str]:
    """350 lines and no more."""
    lines = len(module.source.splitlines())
    return [f"{lines} lines"] if lines > LONGEST_MODULE else []


def functions_too_long(module: Module) -> list[str]:
    """Tasks fit in 25 lines, functions in 40, a flow in 60."""
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    return [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LONGEST_FUNCTION[module.room]]


SAYS_NOTHING = re.compile(r"(^|_)(utils?|helpers?|common|managers?)(_|$)")


def names_that_say_nothing(module: Module) -> list[str]:
    """A file is named after what it is about."""
    return [part for part in module.dotted.split(".") if SAYS_NOTHING.search(part)]


def packages_that_hide_what_they_export(module: Module) -> list[str]:
    """An `__init__.py` exports a sorted `__all__`, which names all it imports, or nothing."""
    if not module.path.endswith("/__init__.py"):
        return []
    body = module.tree.body[1:] if ast.get_docstring(module.tree) else module.tree.body
    lists = [
        ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign) and _names(node) == ["__all__"]
    ]
    own = sorted(name for node in body for name in _names(node) if name != "__all__")
    if not body:
        return []
    return [] if lists == [own] and lists[0] == sorted(lists[0]) else [f"it defines {own}, and __all__ is {lists}"]


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.Assign(targets):
            return [ast.unparse(target) for target in targets]
        case ast.Import(names) | ast.ImportFrom(_, names, _):
            return [name.asname or name.name for name in names]
        case _:
            return [ast.unparse(node)]


def fakes_by_dotted_path(module: Module) -> list[str]:
    """Fakes are handed in, or set on an object; never by a path in a text, which nobody finds when it moves."""
    found = []
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(
                ast.Name("patch") | ast.Attribute(ast.Name("mock" | "mocker"), "patch"), [ast.Constant(str()), *_]
            ):
                found.append(ast.unparse(node))
            case ast.Call(ast.Attribute(attr="setattr"), [ast.Constant(str(path)), *_]) if "." in path:
                found.append(ast.unparse(node))
    return found


def modules_without_a_test(modules: list[str], tests: set[str], elsewhere: dict[str, str]) -> list[str]:
    """A module has its tests at its own path below `tests/`, or another test file is named for it."""
    return [
        path
        for path in modules
        if not path.endswith("/__init__.py")
        and "/migrations/" not in path
        and not _tests_of(path, tests)
        and not any(path == entry or (entry.endswith("/") and path.startswith(entry)) for entry in elsewhere)
    ]


def entries_that_say_nothing(modules: list[str], tests: set[str], elsewhere: dict[str, str]) -> list[str]:
    """An entry names a module that is there and has no tests of its own, or a folder, and a test file that is there."""
    missing = [entry for entry in elsewhere if not any(path.startswith(entry) for path in modules)]
    own = [entry for entry in elsewhere if entry.endswith(".py") and _tests_of(entry, tests)]
    return [*missing, *own, *(shown for shown in elsewhere.values() if shown not in tests)]


def _tests_of(path: str, tests: set[str]) -> list[str]:
    folder, _, name = f"tests/{path}".removesuffix(".py").rpartition("/")
    beginning = f"{folder}/test_{name}"
    return [test for test in tests if test == f"{beginning}.py" or test.startswith(f"{beginning}_")]


RULES: list[Rule] = [
    modules_too_long,
    functions_too_long,
    names_that_say_nothing,
    packages_that_hide_what_they_export,
]
RULES_OF_TESTS: list[Rule] = [modules_too_long, fakes_by_dotted_path, names_that_say_nothing]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds_everywhere(rule: Rule) -> None:
    assert [f"{module.path}: {breach}" for module in OURS for breach in rule(module)] == []


@pytest.mark.parametrize("rule", RULES_OF_TESTS, ids=lambda rule: rule.__name__)
def test_the_rule_holds_in_the_tests(rule: Rule) -> None:
    assert [f"{module.path}: {breach}" for module in TESTS for breach in rule(module)] == []


_REVISION = re.compile(r"^(?:down_)?revision = .*$", re.MULTILINE)


def out_of_line(sources: dict[str, str]) -> list[str]:
    """Revisions of the ledger that have the number of another, or come after the same one."""
    lines = Counter(line for text in sources.values() for line in _REVISION.findall(text))
    return sorted(path for path, text in sources.items() if any(lines[line] > 1 for line in _REVISION.findall(text)))


def test_revisions_of_the_ledger_are_one_line() -> None:
    revisions = {each.path: each.source for each in OURS if "/migrations/versions/" in each.path}
    assert revisions
    assert out_of_line(revisions) == []


def test_a_revision_with_the_number_of_another_is_found() -> None:
    first, second = 'revision = "0001"\ndown_revision = None\n', 'revision = "0002"\ndown_revision = "0001"\n'
    assert out_of_line({"a.py": first, "b.py": second}) == []
    assert out_of_line({"a.py": first, "b.py": second, "c.py": second}) == ["b.py", "c.py"]


def test_every_module_has_its_tests_at_its_own_path_or_a_reason() -> None:
    modules, tests = [module.path for module in OURS], {module.path for module in TESTS}
    assert modules_without_a_test(modules, tests, SHOWN_ELSEWHERE) == []
    assert entries_that_say_nothing(modules, tests, SHOWN_ELSEWHERE) == []


def test_a_module_without_a_test_is_found() -> None:
    modules = ["simtandem/a.py", "simtandem/b/c.py", "simtandem/b/__init__.py", "simtandem/ledger/migrations/env.py"]
    assert modules_without_a_test(modules, {"tests/simtandem/test_c.py", "tests/test_a.py"}, {}) == modules[:2]
    assert modules_without_a_test(modules, {"tests/simtandem/test_a_again.py"}, {"simtandem/b/": ""}) == []


def test_an_entry_without_a_reason_is_found() -> None:
    modules, tests = ["simtandem/a.py", "simtandem/b/c.py"], {"tests/simtandem/test_a.py", "tests/test_d.py"}
    wrong = {
        "simtandem/gone.py": "tests/test_d.py",
        "simtandem/a.py": "tests/test_d.py",
        "simtandem/b/": "tests/test_gone.py",
    }
    assert entries_that_say_nothing(modules, tests, wrong) == [
        "simtandem/gone.py",
        "simtandem/a.py",
        "tests/test_gone.py",
    ]
    assert entries_that_say_nothing(modules, tests, {"simtandem/b/c.py": "tests/test_d.py"}) == []


BREACHES: list[tuple[Rule, str, str]] = [
    (modules_too_long, "simtandem/a.py", "x = 1\n" * 351),
    (functions_too_long, "simtandem/a.py", "def f():\n" + "    x = 1\n" * 40),
    (functions_too_long, "tasks/a.py", "class C:\n    async def f(self):\n" + "        x = 1\n" * 25),
    (functions_too_long, "flows/a.py", "async def f():\n" + "    x = 1\n" * 60),
    (names_that_say_nothing, "simtandem/utils.py", ""),
    (names_that_say_nothing, "simtandem/run_manager.py", ""),
    (names_that_say_nothing, "simtandem/common/a.py", ""),
    (names_that_say_nothing, "tests/helpers.py", ""),
    (packages_that_hide_what_they_export, "simtandem/a/__init__.py", "from simtandem.a.b import C"),
    (
        packages_that_hide_what_they_export,
        "simtandem/a/__init__.py",
        "from simtandem.a.b import B, A\n__all__ = ['B', 'A']",
    ),
    (packages_that_hide_what_they_export, "simtandem/a/__init__.py", "from simtandem.a.b import A, B\n__all__ = ['A']"),
    (packages_that_hide_what_they_export, "simtandem/a/__init__.py", "def f(): ...\n__all__ = ['f']"),
    (fakes_by_dotted_path, "tests/test_a.py", "with patch('simtandem.domain.plan.make_plan'): ..."),
    (fakes_by_dotted_path, "tests/test_a.py", "mock.patch('simtandem.domain.plan.make_plan')"),
    (fakes_by_dotted_path, "tests/test_a.py", "monkeypatch.setattr('simtandem.domain.plan.make_plan', None)"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BREACHES)
def test_each_rule_can_fail(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source)) != []


NO_BREACHES: list[tuple[Rule, str, str]] = [
    (functions_too_long, "simtandem/a.py", "def f():\n" + "    x = 1\n" * 39),
    (packages_that_hide_what_they_export, "simtandem/a/__init__.py", '"""What it is."""'),
    (packages_that_hide_what_they_export, "simtandem/a/__init__.py", "from a import B, C\n__all__ = ['B', 'C']"),
    (
        fakes_by_dotted_path,
        "tests/test_a.py",
        "client.patch('/api/v1/sim/1')\nmonkeypatch.setattr(module, 'name', None)",
    ),
]


@pytest.mark.parametrize(("rule", "path", "source"), NO_BREACHES)
def test_no_rule_forbids_what_is_allowed(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source)) == []

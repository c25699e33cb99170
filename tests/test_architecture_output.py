"""The rules of the house about what people are told: nothing is printed, shown or sent around the escaping.

Every rule is shown, on a few lines made up for it, to be able to fail.
"""

import ast
import re

import pytest

from tests.source_modules import OURS, Module, Rule, is_in

PRINTS = ("simtandem/text/terminal.py",)


def prints_around_the_terminal(module: Module) -> list[str]:
    """What people read is printed by `simtandem.text.terminal`, without control characters and secrets."""
    if is_in(module, *PRINTS) or is_in(module, "simtandem/emulator/", "simtandem/ledger/migrations/"):
        return []
    calls = [ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    around = re.compile(
        r"(.*\.)?Console|print|(typer|click)\.(s?echo|style)|sys\.(__)?std(out|err)(__)?\.write|os\.write"
    )
    allowed = {"os.write"} if is_in(module, "simtandem/prefect_server/", "simtandem/ledger/integrity/") else set()
    return [call for call in calls if around.fullmatch(call) and call not in allowed]


def _is_call_of(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("escaping.") in names


def words_past_escaping(module: Module) -> list[str]:
    """What Prefect is told went through `simtandem.text.escaping`, or is words of our own."""
    if module.room not in ("tasks", "flows"):
        return []
    taken = {"message": ("state",), "flow_run_name": (), "description": ("prose", "markdown")}
    breaches = []
    for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
        what = ast.unparse(call.func).rpartition(".")[2]
        for keyword in call.keywords:
            ours = isinstance(keyword.value, ast.Constant | ast.Name) and keyword.arg != "message"
            ours |= isinstance(keyword.value, ast.Constant)
            fitting = what in _TELLING.get(str(keyword.arg), ())
            if fitting and not ours and not _is_call_of(keyword.value, *taken[str(keyword.arg)]):
                breaches.append(f"{what}({keyword.arg}={ast.unparse(keyword.value)})")
        if what == "markdown" and not isinstance(call.args[0], ast.Constant):
            breaches.append(ast.unparse(call))
        if what == "Markdown" or (what == "update_flow_run" and not _named_safely(call)):
            breaches.append(ast.unparse(call))
    return breaches


_TELLING = {
    "message": ("Completed", "Failed", "Cancelled", "Suspended", "Paused", "Crashed"),
    "description": ("acreate_markdown_artifact", "acreate_table_artifact", "acreate_link_artifact"),
}


def _named_safely(call: ast.Call) -> bool:
    return all(_is_call_of(each.value, "name") for each in call.keywords if each.arg == "name")


def pages_that_show_what_is_not_seen(module: Module) -> list[str]:
    """A page's template escapes markup, and shows what is not seen."""
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func) == "Environment"]
    wanted = {"autoescape=True", "finalize=escaping.html"}
    return [ast.unparse(call) for call in made if not wanted <= {ast.unparse(each) for each in call.keywords}]


RULES: list[Rule] = [prints_around_the_terminal, words_past_escaping, pages_that_show_what_is_not_seen]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds_everywhere(rule: Rule) -> None:
    assert [f"{module.path}: {breach}" for module in OURS for breach in rule(module)] == []


BREACHES: list[tuple[Rule, str, str]] = [
    (prints_around_the_terminal, "simtandem/a.py", "print(name)"),
    (prints_around_the_terminal, "simtandem/runs/a.py", "import sys\nsys.stdout.write(name)"),
    (prints_around_the_terminal, "tasks/a.py", "import typer\ntyper.echo(name)"),
    (prints_around_the_terminal, "simtandem/a.py", "from rich.console import Console\nConsole(stderr=True)"),
    (prints_around_the_terminal, "simtandem/a.py", "import rich.console\nrich.console.Console()"),
    (words_past_escaping, "tasks/a.py", "Completed(message=str(error))"),
    (words_past_escaping, "tasks/a.py", "Failed(message=told)"),
    (words_past_escaping, "tasks/a.py", "client.update_flow_run(ident, name=file)"),
    (words_past_escaping, "tasks/a.py", "acreate_table_artifact(rows, description=f'{file}')"),
    (words_past_escaping, "tasks/a.py", "markdown(f'## {file}')"),
    (words_past_escaping, "tasks/a.py", "Markdown(file)"),
    (pages_that_show_what_is_not_seen, "simtandem/reports/a.py", "Environment(autoescape=True)"),
    (pages_that_show_what_is_not_seen, "simtandem/reports/a.py", "Environment(finalize=escaping.html)"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BREACHES)
def test_each_rule_can_fail(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source)) != []


NO_BREACHES: list[tuple[Rule, str, str]] = [
    (prints_around_the_terminal, "simtandem/text/terminal.py", "print(text)"),
    (prints_around_the_terminal, "simtandem/a.py", "from rich.console import Console\nmessages().print(name)"),
    (words_past_escaping, "tasks/a.py", "Completed(message=escaping.state(f'{file}'))"),
    (words_past_escaping, "tasks/a.py", "Failed(name=name, message='Nothing was sent.')"),
    (words_past_escaping, "tasks/a.py", "markdown('## {}', file)"),
    (pages_that_show_what_is_not_seen, "simtandem/a.py", "Environment(autoescape=True, finalize=escaping.html)"),
]


@pytest.mark.parametrize(("rule", "path", "source"), NO_BREACHES)
def test_no_rule_forbids_what_is_allowed(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source)) == []

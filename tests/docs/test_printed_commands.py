"""Every command that is printed, in documents and in what the program says, has options that there are.

A command is taken apart as the program would take it apart, and not carried out. A bare name, such as `simtandem undo`,
may lack what it needs: it names a command.
"""

import os
import re
import shlex
from collections.abc import Iterator
from unittest import mock

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from simtandem.cli.app import app
from tests.source_modules import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
PROGRAM = [path for room in ("simtandem", "flows", "tasks", "schemas") for path in (ROOT / room).rglob("*.py")]
NEITHER_SHOWN_NOR_RUN = {"--install-completion", "--show-completion", "--log-format"}
"""Taking them apart carries them out."""

STANDS_FOR = {"NAME": "plan", "FIELDS": "run_id"}


def printed() -> list[str]:
    found: set[str] = set()
    for page in PAGES:
        found |= {*_in_blocks(page.read_text()), *_in_sentences(page.read_text())}
    for path in PROGRAM:
        found |= {each for each in _in_sentences(path.read_text()) if "{" not in each and '"\n' not in each}
    return sorted(" ".join(each.split()) for each in found)


def _in_blocks(text: str) -> Iterator[str]:
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if begun := re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?(simtandem .*)", line):
                yield re.sub(r"[\[\]]", "", re.split(r"\s{2,}", begun[1])[0])  # a synopsis, and what it says beside it


def _in_sentences(text: str) -> list[str]:
    return re.findall(r"`(simtandem [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def wrong_in(command: str) -> str:
    """What the program would say against it, before it does anything; nothing if it would begin."""
    words = shlex.split(command, comments=True)[1:]
    words = [STANDS_FOR.get(word, word) for word in words[: _end(words)] if word not in {"…", "..."}]
    if NEITHER_SHOWN_NOR_RUN & {*words}:
        return ""
    try:
        with mock.patch.dict(os.environ):  # where options such as --account are put
            _take_apart(words)
    except typer.Exit:
        return ""
    except typer.TyperException as error:
        bare = len(words) <= 2 and type(error).__name__ in {"BadOptionUsage", "NoArgsIsHelpError"}
        return "" if bare or type(error).__name__ == "MissingParameter" else str(error)
    return ""


def _take_apart(words: list[str]) -> None:
    above, group, name = None, get_command(app), "simtandem"
    while isinstance(group, TyperGroup):
        above = group.make_context(name, words, parent=above)
        found, inner, words = group.resolve_command(above, [*above._protected_args, *above.args])
        assert found
        assert inner
        name, group = found, inner
    group.make_context(name, words, parent=above)


def _end(words: list[str]) -> int:
    """Where the shell goes on with something else."""
    return min((words.index(each) for each in ("|", ">", "2>", "<", "&&", "&") if each in words), default=len(words))


@pytest.mark.parametrize("command", printed())
def test_a_printed_command_would_begin(command: str) -> None:
    assert wrong_in(command) == ""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("simtandem plan depot.csv --to-status active", "No such option"),
        ("simtandem plam depot.csv", "No such command"),
        ("simtandem apply depot.csv --batch-size many", "valid integer"),
        ("simtandem undo latest again", "unexpected extra argument"),
        ("simtandem undo --issued-to", ""),
    ],
)
def test_a_command_that_would_not_begin_is_found(command: str, said: str) -> None:
    assert said in wrong_in(command)


def test_what_is_taken_apart_leaves_nothing_behind() -> None:
    assert wrong_in("simtandem plan --account depot-eu depot.csv") == ""
    assert "SIMTANDEM_ACCOUNT" not in os.environ


def test_there_are_many() -> None:
    assert len(printed()) > 100

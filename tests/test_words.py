"""The words of the field: phrases that people had to learn here first, each with the standard word for it.

Judged are comments, docstrings and texts of the program, and the docs; not names, not inline code, and not a
text that is one word, which may be a value of a file or of the JSON document.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_modules import OURS, ROOT

STANDARD_WORDS = {
    r"\btold\b|\btells?\b|\btelling\b": "say, show, report, notify; distinguish",
    r"\bmend(s|ed|ing)?\b": "repair, correct",
    r"\bsettl(e|es|ed|ing)\b": "decide, resolve, re-plan",
    r"\bcarrier of (our|its|your) own\b": "emulator",
    r"\bstand-ins? (carrier|API)\b": "emulator",
    r"\b(takes?|taking|took|taken) up\b(?! to)": "start",
    r"\b(take|takes|taking|took) in\b(?! (a|one|the) )": "read, add",
    r"\blooks? on\b": "appears active",
    r"\bsomebody\b": "someone",
    r"(?<![-.])\b(we|us|our|ours|ourselves)\b": "simtandem, this run",
    r"\basked to slow down\b|\bslower pace\b": "rate-limited (HTTP 429)",
    r"\bpaced\b": "rate-limited",
    r"\bdoubt(s|ful)?\b": "no answer, ambiguous response",
    r"\buntouched\b": "intact, unchanged",
    r"\bby (itself|themselves)\b": "automatically, by the carrier",
    r"\bwhoever\b": "the person who, the process that",
    r"\bwhatever\b": "any",
    r"\bheld back\b": "held, not sent",
    r"\b(taken|takes?) away\b": "remove",
    r"\btaking turns\b|\b(its|their) turn\b|\brun's turn\b": "wait for another run, get the lock",
    r"\bright already\b|\bas asked already\b": "already in target state",
    r"\bfeed (it |them )?back\b|\bfed back\b": "retry",
    r"\bthe whole story\b": "HTML report",
    r"\bhalf[- ]done\b": "partly changed, split pair",
    r"\bnever two at a time\b": "one at a time",
    r"\bends it all\b": "stops",
    r"\b(goes|go|went) on\b(?! (last|first))": "continue",
    r"\bfor good\b": "permanently",
    r"\bin good order\b": "cleanly",
    r"\blets? go of\b": "release",
    r"\ball the same\b": "nevertheless, still",
    r"\bin the way of (that|all|the|it|others|what)\b|\bis in the way\b": "block",
    r"\bg(a|i)ves? way\b": "lose, yield",
    r"\bsays? no\b|\bno more than that\b": "refuse",
    r"\bhas no say\b": "has no effect",
    r"\bas (it|they) stands?\b": "as it is",
    r"\bmishaps?\b": "fault",
    r"\benem(y|ies)\b": "attacker",
    r"\bdeviations?\b": "drift, split pair",
}
DOCS = [
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in ("decisions.md", "licences.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "prefect.yaml", "mkdocs.yml")),
]
NO_PROSE = re.compile(r"[\w.:/-]*")
"""A text of one word: the name of a file, a column or a value."""


KEPT = ("simtandem: tell when a run ",)
"""Names that earlier versions gave, by which they are found."""


def private_words(text: str) -> list[str]:
    """Each phrase that has a standard word, with that word."""
    return [
        f"{found.group()!r}: {standard}"
        for phrase, standard in STANDARD_WORDS.items()
        for found in re.finditer(phrase, text, re.IGNORECASE)
    ]


def prose_of_source(source: str) -> Iterator[tuple[int, str]]:
    """Comments, docstrings and texts, without what an f-string computes."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
        elif token.type == tokenize.STRING:
            prefix, _, text = token.string.partition(token.string[-1])
            bare = text.strip("\"'")
            if NO_PROSE.fullmatch(bare) or bare in KEPT:
                continue
            shown = re.sub(r"\{[^{}]*\}", "{}", text) if "f" in prefix.lower() else text
            for number, line in enumerate(shown.splitlines(), token.start[0]):
                yield number, _without_code(line)


def prose_of_page(text: str) -> Iterator[tuple[int, str]]:
    """A page line by line, without inline code."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, _without_code(line)


def _without_code(line: str) -> str:
    return re.sub(r"`[^`]*`", "``", line)


def breaches(where: str, prose: Iterator[tuple[int, str]]) -> list[str]:
    """Every private word of a file, with its line."""
    return [f"{where}:{line}: {word}" for line, text in prose for word in private_words(text)]


def test_the_program_uses_standard_words() -> None:
    modules = [module for module in OURS if "/migrations/" not in module.path]
    assert [each for module in modules for each in breaches(module.path, prose_of_source(module.source))] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_the_docs_use_standard_words(page: Path) -> None:
    assert breaches(page.name, prose_of_page(page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 1  # nobody is told",
        '"""What the run mends."""',
        "print('Whoever may edit it')",
        'def f() -> None:\n    """One.\n\n    The other half goes on by itself.\n    """\n',
        "print(f'{count} rows are half done: {why}')",
    ],
)
def test_a_private_word_in_a_module_is_found(source: str) -> None:
    assert breaches("a.py", prose_of_source(source)) != []


def test_the_line_and_the_standard_word_are_named() -> None:
    assert breaches("a.md", prose_of_page("# Notifications\n\nNobody is told.\n")) == [
        "a.md:3: 'told': say, show, report, notify; distinguish"
    ]


@pytest.mark.parametrize("source", ["told = 1", "x = 'somebody'", "y = 'work/told.json'", "print(f'{told[0]} rows')"])
def test_names_and_values_are_not_judged(source: str) -> None:
    assert breaches("a.py", prose_of_source(source)) == []


@pytest.mark.parametrize("phrase", STANDARD_WORDS)
def test_every_phrase_is_one_that_can_be_found(phrase: str) -> None:
    examples = (
        "told mends settle takes up takes in looks on somebody ours paced doubt untouched by itself whoever whatever",
        "a carrier of our own, a stand-in API, asked to slow down, held back, taken away, taking turns, right already",
        "feed it back, the whole story, half-done, never two at a time, ends it all, goes on, for good, in good order",
        "lets go of, all the same, is in the way, gave way, says no, has no say, as it stands, mishap, enemy",
        "deviation",
    )
    assert any(re.search(phrase, example) for example in examples)

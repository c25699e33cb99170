"""The demonstration, and that the README shows what it really prints."""

import re

import pytest

from tests.end_to_end.conftest import MakeDesk
from tests.source_modules import ROOT

pytestmark = pytest.mark.timeout(300)
_VARIES = (
    (r"127\.0\.0\.1:[0-9]+", "ADDRESS"),
    (r"\S*/demo/runs/[0-9T]+-[0-9a-f]{6}/", "RUN/"),
    (r"[0-9,]+  calls \([0-9,]+ retried, [0-9,]+ rate-limited\) in .*", "CALLS"),
)
"""What differs from one demonstration to the next. Everything else in the README is compared as it stands."""


def lines(text: str) -> list[str]:
    for pattern, word in _VARIES:
        text = re.sub(pattern, word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_shown_as(line: str, said: str) -> bool:
    """Whether the README's line stands for this one; it may cut a long one short with an ellipsis."""
    return line.startswith(said[:-1]) if said.endswith("…") else line == said


@pytest.mark.parametrize(
    ("line", "said", "fits"),
    [("7 refused", "7 refused", True), ("7 refused", "8 refused", False), ("a long line", "a long…", True)],
)
def test_only_an_ellipsis_stands_for_more(line: str, said: str, *, fits: bool) -> None:
    assert is_shown_as(line, said) is fits


def test_the_demonstration_needs_nothing_and_prints_what_the_readme_shows(sit_down: MakeDesk) -> None:
    desk = sit_down()
    (desk.home / "demo").mkdir()
    (desk.home / "demo" / "prefect").symlink_to((desk.home / "prefect").resolve())
    done = desk.run("demo", SIMTANDEM_EMNIFY_URL=None, SIMTANDEM_EMNIFY_TOKEN=None)
    assert done.code == 0
    assert desk.emulator.stats()["calls"] == 0
    found = re.search(r"```\n(The emulator serves.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    printed, shown = lines(done.out.partition("\nNext: ")[0]), lines(found[1])
    assert len(printed) == len(shown)
    assert [(line, said) for line, said in zip(printed, shown, strict=True) if not is_shown_as(line, said)] == []

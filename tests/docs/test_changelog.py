"""The changelog is ready for a tag: its first version is the program's."""

import re

from simtandem import __version__
from tests.source_modules import ROOT


def test_the_newest_version_of_the_changelog_is_the_version_of_the_program() -> None:
    versions = re.findall(r"^## (\S+) · \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == __version__

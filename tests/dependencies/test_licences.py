import re
from importlib.metadata import metadata

import pytest

from dependencies.licences import PAGE, is_copyleft, licence, page
from dependencies.pins import RUNTIME, Pin, read

ROW = re.compile(r"^\| (\S+) \| (\S+) \| (.+?) \| (?:\*\*copyleft\*\*)? ?\|$", re.MULTILINE)


class Stated:
    """A package that states this of itself."""

    def __init__(self, **fields: list[str]) -> None:
        self._fields = {name.replace("_", "-"): values for name, values in fields.items()}

    def get_all(self, name: str) -> list[str] | None:
        return self._fields.get(name)


def test_the_page_lists_the_pinned_packages() -> None:
    rows = ROW.findall(PAGE.read_text())[1:]  # the first is the head

    assert [row[:2] for row in rows] == [(pin.name, pin.version) for pin in read(RUNTIME)], "run `make licences`"


def test_the_page_says_what_the_installed_packages_state() -> None:
    assert PAGE.read_text() == page(read(RUNTIME), metadata), "run `make licences`"


def test_every_package_states_a_licence() -> None:
    assert "not stated" not in PAGE.read_text()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (Stated(License_Expression=["MIT"], License=["something else"]), "MIT"),
        (Stated(Classifier=["License :: OSI Approved :: BSD License", "Topic :: Internet"]), "BSD License"),
        (Stated(Classifier=["License :: OSI Approved"], License=["ISC"]), "ISC"),
        (Stated(License=["The MIT License\n\nPermission is hereby …"]), "MIT"),
        (Stated(License=["a | b"]), "a / b"),
        (Stated(), "not stated"),
    ],
)
def test_the_licence_is_what_the_package_says_most_exactly(stated: Stated, expected: str) -> None:
    assert licence(stated) == expected


@pytest.mark.parametrize(
    "stated", ["LGPL-3.0-only", "MPL-2.0 AND MIT", "GNU General Public License v2 or later (GPLv2+)", "EUPL-1.2"]
)
def test_a_copyleft_licence_is_marked(stated: str) -> None:
    assert is_copyleft(stated)
    assert "**copyleft**" in page([Pin("a", "1", 1)], lambda _: Stated(License_Expression=[stated])).splitlines()[-1]


@pytest.mark.parametrize("stated", ["MIT", "BSD-3-Clause", "Apache Software License", "PSF-2.0", "ISC License (ISCL)"])
def test_other_licences_are_not_marked(stated: str) -> None:
    assert not is_copyleft(stated)

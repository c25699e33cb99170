"""Templates that an installation compiled are run as they are, and only where they can be trusted."""

from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from simtandem.reports import page_shell
from simtandem.reports.compiled_templates import CompiledTemplates, make_templates

SOURCE = "{{ 1 + 1 }} devices"


class Compiling(Environment):
    """Counts what it had to compile."""

    compiled = 0

    def compile(self, *args: object, **options: object) -> object:  # type: ignore[override]
        self.compiled += 1
        return super().compile(*args, **options)  # type: ignore[call-overload]


def reading(folder: Path, source: str = SOURCE) -> Compiling:
    return Compiling(autoescape=True, loader=DictLoader({"page": source}), bytecode_cache=CompiledTemplates(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    [file] = make_templates(
        Environment(autoescape=True, loader=DictLoader({"page": SOURCE})), ["page"], tmp_path / "kept"
    )
    assert file.stat().st_mode & 0o777 == 0o644
    return file.parent


def test_a_kept_template_is_not_compiled_again(folder: Path) -> None:
    pages = reading(folder)
    assert pages.get_template("page").render() == "2 devices"
    assert pages.compiled == 0


@pytest.mark.parametrize("what", ["another text", "no folder", "others may write"])
def test_what_is_not_ours_is_compiled_and_the_installation_left_as_it_is(folder: Path, what: str) -> None:
    if what == "others may write":
        folder.chmod(0o777)
    before = [each.read_bytes() for each in folder.iterdir()]
    pages = reading(
        folder if what != "no folder" else folder / "nowhere", "other {{ 1 }}" if what == "another text" else SOURCE
    )
    assert pages.get_template("page").render() == ("other 1" if what == "another text" else "2 devices")
    assert pages.compiled == 1
    assert [each.read_bytes() for each in folder.iterdir()] == before


def test_every_template_of_the_pages_is_among_those_that_are_kept(tmp_path: Path) -> None:
    templates = Path(page_shell.__file__).parent / "templates"
    assert {each.name for each in templates.glob("*.j2")} == set(page_shell.TEMPLATES)
    assert len(make_templates(page_shell.environment(), page_shell.TEMPLATES, tmp_path)) == len(page_shell.TEMPLATES)

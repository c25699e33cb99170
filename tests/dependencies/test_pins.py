from pathlib import Path

import pytest

from dependencies.pins import BUILD, DEVELOPMENT, EVERY_FILE, RUNTIME, Pin, read

HASH = "--hash=sha256:" + "ab" * 32


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: path.name)
def test_every_package_of_every_requirement_file_is_pinned_by_hash_and_nothing_else_stands_there(path: Path) -> None:
    pins = read(path)

    assert [pin.name for pin in pins if not pin.hashes] == []
    assert len({pin.name for pin in pins}) == len(pins) > 0


def test_what_runs_is_the_same_where_it_is_developed() -> None:
    assert {(pin.name, pin.version) for pin in read(RUNTIME)} <= {(pin.name, pin.version) for pin in read(DEVELOPMENT)}


def test_no_tool_that_builds_or_tests_is_installed_where_simtandem_runs() -> None:
    tools = {"hatchling", "editables", "pytest", "hypothesis", "mypy", "ruff", "playwright", "pip-tools", "pip"}

    assert {pin.name for pin in read(RUNTIME)} & tools == set()
    assert {"hatchling", "editables"} <= {pin.name for pin in read(BUILD)}


def test_notes_and_several_hashes_of_a_pin_are_read(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"a-b==1.0.post1 \\\n    {HASH} \\\n    {HASH}\n    # via\n    #   c\nc==2\n")

    assert read(file) == [Pin("a-b", "1.0.post1", 2), Pin("c", "2", 0)]


@pytest.mark.parametrize(
    "line", ["--find-links https://packages.example/simple", "-r more.txt", "a>=1", "a @ file:///a.whl"]
)
def test_a_line_that_is_no_pin_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"a==1 \\\n    {HASH}\n{line}\n")

    with pytest.raises(ValueError, match="not a package pinned"):
        read(file)

from pathlib import Path

import pytest

from simtandem.cli.list_files import STDIN, expanded
from simtandem.errors import InputError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more" / "old").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "more/2.csv.gz", "more/1.csv.gz", "more/old/0.csv.gz", "x[1].csv"):
        (tmp_path / name).touch()


def names(*arguments: str) -> list[str]:
    return [str(path) for path in expanded([Path(each) for each in arguments])]


def test_patterns_become_files_sorted_and_each_once() -> None:
    assert names("more/*.csv.gz", "b.csv", "a.csv") == ["a.csv", "b.csv", "more/1.csv.gz", "more/2.csv.gz"]
    assert names("a.csv", "./a.csv", "[ab].csv") == ["a.csv", "b.csv"]
    assert names("**/*.gz") == ["more/1.csv.gz", "more/2.csv.gz", "more/old/0.csv.gz"]
    assert names("more/*") == ["more/1.csv.gz", "more/2.csv.gz"], "a folder is no file"


def test_one_file_is_taken_as_it_was_typed() -> None:
    assert names("./more/../b.csv") == ["more/../b.csv"]
    assert names("x[1].csv") == ["x[1].csv"]
    assert names("missing.csv") == ["missing.csv"], "reading it says that it is not there"


def test_a_pattern_without_a_match_is_named() -> None:
    with pytest.raises(InputError) as error:
        names("a.csv", "less/*.csv")
    assert str(error.value) == (
        "less/*.csv: no file matches this pattern.\nNothing was sent. Check the folder and the name."
    )


def test_standard_input_may_be_one_of_them_once() -> None:
    assert names("a.csv", str(STDIN)) == ["/dev/stdin", "a.csv"]
    with pytest.raises(
        InputError, match=r"^Standard input \(-\) can be one of the files only once\. Nothing was sent\.$"
    ):
        names(str(STDIN), str(STDIN))

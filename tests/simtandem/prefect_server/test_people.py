"""People with credentials of their own, and what they did."""

from pathlib import Path

import pytest

from simtandem.errors import InputError
from simtandem.prefect_server.people import Deeds, People

RUN, OTHER = "3f0c0c9e-0000-4000-8000-000000000001", "3f0c0c9e-0000-4000-8000-000000000002"


def test_a_credential_is_known_until_its_person_is_removed(tmp_path: Path) -> None:
    people = People(tmp_path)
    ada, grace = people.add("ada"), people.add("grace")
    assert (people.who(ada), people.who(grace)) == ("ada", "grace")
    assert people.names() == ["ada", "grace"]
    people.remove("ada")
    assert (people.who(ada), people.who(grace)) == ("", "grace")


@pytest.mark.parametrize("wrong", ["", "ada", "ada:", ":", "grace:x", "ada:guessed"])
def test_no_other_credential_is_anybodys(tmp_path: Path, wrong: str) -> None:
    assert People(tmp_path).who(wrong) == "", "there is nobody yet"
    People(tmp_path).add("ada")
    assert People(tmp_path).who(wrong) == ""


def test_added_again_somebody_has_another_credential(tmp_path: Path) -> None:
    people = People(tmp_path)
    old, new = people.add("ada"), people.add("ada")
    assert (people.who(old), people.who(new)) == ("", "ada")
    assert people.names() == ["ada"]


def test_the_file_is_the_owners_alone_and_holds_no_credential(tmp_path: Path) -> None:
    credential = People(tmp_path).add("ada")
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert credential.partition(":")[2] not in file.read_text()


@pytest.mark.parametrize("name", ["", "a", "Ada", "ada lovelace", "ada:x", ".ada", "simtandem", "ä" * 3, "a" * 41])
def test_a_name_that_can_not_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Nothing was changed"):
        People(tmp_path).add(name)
    assert People(tmp_path).names() == []


def test_who_is_not_there_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no person 'ada'"):
        People(tmp_path).remove("ada")


def test_a_run_is_of_who_began_it_and_an_answer_of_who_gave_it(tmp_path: Path) -> None:
    deeds = Deeds(tmp_path)
    assert deeds.of(RUN) == {}
    deeds.note("ada", RUN)
    deeds.note("grace", RUN, "approve-1")
    deeds.note("mallory", RUN)
    deeds.note("mallory", RUN, "approve-1")
    deeds.note("mallory", OTHER, "approve-2")
    assert deeds.of(RUN) == {"": "ada", "approve-1": "grace"}
    assert deeds.of(OTHER) == {"approve-2": "mallory"}
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0

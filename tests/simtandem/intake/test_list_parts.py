from pathlib import Path

import pytest

from simtandem.errors import InputError, UnrecognisedInput
from simtandem.intake import Bounds, ListFile, Reading
from simtandem.intake.list_parts import ListPart, Naming, names_of, notes_of, own_of, place_in, read_parts, sha256_of


@pytest.fixture
def files(tmp_path: Path) -> list[ListFile]:
    texts = {"a.csv": "sim_id,Site\n1,Depot 7\n\n2,\n", "b.csv": "sim_id;site\n3;Depot 8\n", "c.csv": "sim_id\n4\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [ListFile(tmp_path / name, name) for name in texts]


def parts(files: list[ListFile], reading: Reading | None = None) -> list[ListPart]:
    return list(read_parts(files, reading or Reading(), ()))


def test_rows_are_numbered_from_file_to_file_and_say_where_they_are(files: list[ListFile]) -> None:
    found = parts(files)
    assert [part.sheet.cells["row"].to_list() for part in found] == [[2, 4], [6], [8]]
    place = place_in(found)
    assert place is not None
    assert [place(row) for row in (2, 4, 6, 8)] == ["a.csv row 2", "a.csv row 4", "b.csv row 2", "c.csv row 2"]
    assert place_in(found[:1]) is None
    own, notes = own_of(found)
    assert own["Site"].to_list() == ["Depot 7", None, "Depot 8", None]
    assert notes == []
    assert own_of(found[:1])[0].columns == ["row", "Site"]


def test_the_list_is_called_by_its_first_files_and_is_the_same_in_any_order(files: list[ListFile]) -> None:
    found = parts(files)
    assert names_of(found) == "a.csv, b.csv, c.csv"
    assert names_of([*found, found[0]]) == "a.csv, b.csv, c.csv and 1 more"
    assert sha256_of(found) == sha256_of(parts(files[::-1]))
    assert sha256_of(found[:1]) == found[0].sha256 != sha256_of(found)
    assert next(notes_of(found)).startswith("a.csv: ")
    assert next(notes_of(found[:1])).startswith("Own columns")


def test_what_is_wrong_with_a_file_names_it_and_quotes_it_only_where_that_is_allowed(files: list[ListFile]) -> None:
    missing = ListFile(files[0].path.with_name("d.csv"), "d.csv")
    with pytest.raises(InputError, match=rf"^{missing.path}: there is no such file"):
        parts([*files, missing])
    with pytest.raises(InputError, match=r"^d\.csv: there is no such file"):
        parts([missing], Reading(quoting=False))
    with pytest.raises(InputError, match=r"^e\.csv: plain$"), Naming("e.csv", Reading(quoting=False)):
        raise UnrecognisedInput("a cell says x", "plain")


def test_all_files_together_have_no_more_rows_than_are_read(files: list[ListFile]) -> None:
    with pytest.raises(InputError, match=r"the files have more than 7 rows together \(SIMTANDEM_MAX_FILE_ROWS\)"):
        parts(files, Reading(Bounds(rows=7)))

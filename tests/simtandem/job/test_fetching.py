"""The list of a run, wherever it is: within bounds, and told for what it is where it can't be read."""

import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from schemas.parameters import BulkUpdate
from simtandem.errors import InputError
from simtandem.intake import read_devices
from simtandem.job.fetching import address, local_file
from simtandem.job.run import Run
from simtandem.ledger.records import RunKind
from simtandem.settings import Settings

LIST = b"sim_id,status\n1,activated\n"
Asking = Callable[[str], Run]


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    def ask(file: str) -> Run:
        run = Run.begin(BulkUpdate(file=file), RunKind.PLAN, Settings(home=tmp_path / "home", max_file_mb=1))
        run.close()
        return run

    return ask


def stored(name: str, data: bytes) -> str:
    url = f"memory://{name}"
    with fsspec.open(url, "wb") as out:
        out.write(data)
    return url


def test_what_an_address_holds_is_kept_with_the_run_under_its_name(asking: Asking) -> None:
    run = asking(stored("/lists/depot-7.csv", LIST) + "?version=3")
    with pytest.raises(InputError, match="can't be read from its URL"):
        local_file(run)
    run = asking(stored("/lists/depot-7.csv", LIST))
    file = local_file(run)
    assert (file.name, file.read_bytes()) == ("depot-7.csv", LIST)
    assert file.is_relative_to(run.folder.path)


@pytest.mark.parametrize("name", ["plan.csv", "report.html", "x" * 400, "ger\u202ete.csv"])
def test_no_name_of_a_list_comes_in_the_way_of_the_files_of_the_run(asking: Asking, name: str) -> None:
    run = asking(stored(f"/lists/{name}", LIST))
    assert local_file(run).parent == run.folder.path / "fetched"


def test_more_than_allowed_is_not_fetched(asking: Asking) -> None:
    with pytest.raises(InputError, match="at most 1 MB are read"):
        local_file(asking(stored("/huge.csv", b"x" * (3 << 20))))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("memory:///nowhere.csv", "can't be read from its URL"),
        ("nonsense://host/devices.csv", "can't be read from its URL"),
        ("http://127.0.0.1:9/devices.csv", "can't be read from its URL"),
        ("simplecache::file:///dev/zero", "not one that can be read"),
        ("://devices.csv", "not one that can be read"),
        ("http://host/a b.csv", "not one that can be read"),
    ],
)
def test_an_address_that_can_not_be_read_is_told(asking: Asking, address: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        local_file(asking(address))


def test_an_address_of_a_file_here_is_read_as_its_path(asking: Asking, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"ger\xe9te 7.csv")
    path.write_bytes(LIST)
    assert local_file(asking(path.as_uri())) == path
    with pytest.raises(InputError, match="a device or a terminal"):
        read_devices(local_file(asking("file:///dev/zero")))


def test_a_pasted_list_is_kept_as_a_file(asking: Asking) -> None:
    assert local_file(asking(LIST.decode())).read_bytes() == LIST


@pytest.mark.parametrize("name", [b"ger\xe9te.csv", b"a\nb.csv", b"\x1b[31mred.csv", "Geräte 7.csv".encode()])
def test_a_path_of_any_bytes_travels_as_plain_text_and_leads_to_its_file(
    asking: Asking, tmp_path: Path, name: bytes
) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(LIST)
    text = address(path)
    assert text.isprintable()
    assert text.encode().decode() == text
    assert local_file(asking(text)).read_bytes() == LIST

"""The list of a run, wherever it is: within bounds, and told for what it is where it can't be read."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from traceback import format_exception

import fsspec
import pytest

from schemas.parameters import BulkUpdate
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind
from simtandem.runs import input_folder, prepare
from simtandem.runs.input_file import address, local_file
from simtandem.runs.run import AskedOn, Run
from simtandem.settings import Settings
from tests.simtandem.emnify_lists import read_devices

LIST = b"sim_id,status\n1,activated\n"
Asking = Callable[..., Run]


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    """Makes runs that were asked for on a terminal, unless told otherwise."""

    def ask(file: str, on: AskedOn = AskedOn.TERMINAL, **given: str) -> Run:
        values = {"home": tmp_path / "home", "max_file_mb": 1, "list_schemes": "https,http,memory", **given}
        run = Run.begin(BulkUpdate(file=file), RunKind.PLAN, Settings(**values), asked_on=on)  # type: ignore[arg-type]
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
        ("nonsense://host/devices.csv", "may not be fetched by nonsense"),
        ("http://127.0.0.1:9/devices.csv", "own network"),
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


def in_lists(home: Path, name: str = "depot.csv") -> Path:
    path = home / "lists" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(LIST)
    return path


def form(asking: Asking, file: object, **given: str) -> Path:
    return local_file(asking(str(file), AskedOn.FORM, **given))


@pytest.mark.parametrize(
    "spelled", ["depot.csv", "{lists}/depot.csv", "file://{lists}/depot.csv", "../lists/depot.csv"]
)
def test_a_form_names_a_list_in_the_folder_for_lists(asking: Asking, tmp_path: Path, spelled: str) -> None:
    lists = in_lists(tmp_path / "home").parent
    file = form(asking, spelled.format(lists=lists))
    assert (file.name, file.read_bytes()) == ("depot.csv", LIST)
    assert not file.is_relative_to(lists), "it is a copy: what is changed there later changes nothing"


def test_a_form_names_a_list_in_the_inbox_or_in_the_folders_that_are_set(asking: Asking, tmp_path: Path) -> None:
    inbox = tmp_path / "drop"
    inbox.mkdir()
    (inbox / "a.csv").write_bytes(LIST)
    assert form(asking, inbox / "a.csv", inbox=str(inbox)).read_bytes() == LIST
    with pytest.raises(InputError, match="no such list"):
        form(asking, in_lists(tmp_path / "home"), list_folders=str(inbox))


def test_a_form_reads_nothing_else_of_this_machine_and_hears_not_even_what_there_is(
    asking: Asking, tmp_path: Path
) -> None:
    lists = in_lists(tmp_path / "home").parent
    secret = tmp_path / "secret.csv"
    secret.write_bytes(LIST)
    (lists / "link.csv").symlink_to(secret)
    (lists / "way").symlink_to(tmp_path)
    (lists / "loop.csv").symlink_to(lists / "loop.csv")
    os.mkfifo(lists / "pipe.csv")
    said = set()
    for attack in (
        "/etc/passwd",
        secret,
        secret.as_uri(),
        "../../secret.csv",
        lists / ".." / ".." / "secret.csv",
        "link.csv",
        "way/secret.csv",
        lists / "way" / "secret.csv",
        "loop.csv",
        "pipe.csv",
        lists,
        ".",
        tmp_path / "nowhere.csv",
        "nul\0.csv",
        "/dev/zero",
        "/proc/self/environ",
        "~/secret.csv",
    ):
        with pytest.raises(InputError) as refused:
            form(asking, attack)
        said.add(str(refused.value))
    assert len(said) == 1, said
    assert "no such list in the folders that a form may name" in said.pop()


def test_a_folder_that_is_exchanged_for_a_link_while_it_is_looked_at_leads_nowhere(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = in_lists(tmp_path / "home").parent
    (lists / "depot").mkdir()
    (lists / "depot" / "a.csv").write_bytes(LIST)
    (tmp_path / "a.csv").write_bytes(b"secret")
    opens = input_folder._open

    def exchanged(root: Path, inside: Path) -> int:
        (lists / "depot").rename(lists / "aside")
        (lists / "depot").symlink_to(tmp_path)
        return opens(root, inside)

    monkeypatch.setattr(input_folder, "_open", exchanged)
    with pytest.raises(InputError, match="no such list"):
        form(asking, "depot/a.csv")


def test_a_list_in_a_folder_is_bounded_too(asking: Asking, tmp_path: Path) -> None:
    in_lists(tmp_path / "home").write_bytes(b"x" * (3 << 20))
    with pytest.raises(InputError, match="at most 1 MB are read"):
        form(asking, "depot.csv")


def test_the_operators_own_shell_names_any_file(asking: Asking, tmp_path: Path) -> None:
    anywhere = tmp_path / "anywhere.csv"
    anywhere.write_bytes(LIST)
    (tmp_path / "link.csv").symlink_to(anywhere)
    assert local_file(asking(str(anywhere))) == anywhere
    assert local_file(asking(str(tmp_path / "link.csv"))).read_bytes() == LIST


@pytest.mark.parametrize(
    "text", ["root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1\n", "8988303000000000011\n", "sim_id,status\nroot:x:0,on\n"]
)
def test_what_is_no_list_is_quoted_on_a_terminal_only(asking: Asking, tmp_path: Path, text: str) -> None:
    in_lists(tmp_path / "home").write_text(text)
    word = "8988303000000000011" if text.startswith("8") else "root:x:0"
    with pytest.raises(InputError, match=word):
        prepare.read_devices(asking(str(tmp_path / "home/lists/depot.csv")))
    with pytest.raises(InputError) as told:
        prepare.read_devices(asking("depot.csv", AskedOn.FORM))
    assert word not in "".join(format_exception(told.value))
    assert word not in repr(pickle.loads(pickle.dumps(told.value)))  # noqa: S301 - our own
    assert "depot.csv" in str(told.value)

"""Arguments and streams as a shell may leave them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simtandem.errors import InputError
from simtandem.host.standard_streams import require_text

FOREIGN = os.fsdecode(b"ger\xe9te")


def test_an_argument_that_is_no_text_is_told_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    require_text(["plan", "--to", "Gerät"])
    with pytest.raises(InputError, match=r"The argument ger\\xe9te is not UTF-8 text"):
        require_text(["plan", FOREIGN])
    (tmp_path / FOREIGN).touch()
    require_text(["plan", FOREIGN])


def run(program: str, *closed: int) -> "subprocess.CompletedProcess[str]":
    """A program run with some of its streams closed."""

    def close() -> None:
        for number in closed:
            os.close(number)

    return subprocess.run(
        [sys.executable, "-c", f"import os, sys\nfrom simtandem.host.standard_streams import *\n{program}"],
        preexec_fn=close,
        capture_output=True,
        text=True,
        check=True,
    )


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    program = (
        f"open_streams()\nfile = open({str(tmp_path / 'ledger')!r}, 'w')\nassert file.fileno() > 2, file.fileno()\n"
        "print('told')\nprint('complained', file=sys.stderr)\nassert sys.stdin.read() == ''"
    )
    run(program, 0, 1, 2)
    assert (tmp_path / "ledger").read_text() == ""
    assert run(program, 0).stdout == "told\n"


def test_what_a_stream_can_not_show_is_shown_as_an_escape() -> None:
    assert run(f"open_streams()\nprint({FOREIGN!r})").stdout == "ger\\udce9te\n"


@pytest.mark.parametrize("arguments", [["--version"], ["runs", "--json"], ["plan", "nothing.csv", "--json"]])
def test_output_that_can_not_be_written_is_told_in_a_sentence(arguments: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "simtandem.cli.app", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "SIMTANDEM_HOME": str(tmp_path)},
        )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "Unexpected" not in done.stderr


def test_output_that_nobody_reads_is_dropped() -> None:
    done = run(
        "import subprocess\nreader, writer = os.pipe()\nos.close(reader)\nos.dup2(writer, 1)\n"
        "try:\n    print('x' * 100_000)\n    sys.stdout.flush()\nexcept BrokenPipeError:\n    drop_output()"
    )
    assert done.stderr == ""

import shutil
import subprocess

import pytest

from simtandem.text.shell_line import shell_line

WORDS = [
    "simtandem",
    "tag = 'depot-7' and x <> 'y'",
    'it\'s "x"',
    "a != 'b'",
    "$HOME'`id`",
    "back\\slash'",
    "",
    "two 'lines'",
]
UNSEEN = ["two\n'lines'", "gro\u00df \u202evsc.exe", "a\u00a0b\tc\x1b[2J", "\U000e0041'\\", "ende\u2028"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_takes_the_words_as_they_are(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip("it is not installed")
    line = "printf '%s\\0' " + shell_line(WORDS)
    done = subprocess.run([program, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == WORDS


def test_what_is_not_seen_is_written_so_that_it_can_be_pasted() -> None:
    program = shutil.which("bash")
    if program is None:
        pytest.skip("it is not installed")
    line = "printf '%s\\0' " + shell_line(UNSEEN)
    assert line.isprintable()
    done = subprocess.run([program, "-c", line], capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True)
    assert done.stdout.decode().split("\0")[:-1] == UNSEEN


def test_the_bytes_of_a_name_that_are_no_text_are_written_as_such() -> None:
    assert shell_line([b"a\xff.csv".decode(errors="surrogateescape")]) == "$'a\\xff.csv'"


def test_a_word_with_single_quotes_stays_readable() -> None:
    assert shell_line(["plan", "--where", "tag = 'a'", "my file"]) == "plan --where \"tag = 'a'\" 'my file'"

"""How a process ends: seen from outside, it is as Python ends one, only sooner."""

import subprocess
import sys

import pytest

_BEGIN = "import atexit, sys, threading; from simtandem.host.process_exit import leave; "
_SAYS = "atexit.register(sys.stderr.write, 'at exit'); print('printed', end=''); "


def ended(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _BEGIN + program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 3])
def test_what_was_printed_arrives_and_what_is_due_at_exit_is_done(code: int) -> None:
    done = ended(f"{_SAYS}leave({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "printed", "at exit")


def test_nothing_is_taken_apart() -> None:
    torn = "class Torn:\n    def __del__(self): print('taken apart')\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{torn}torn = Torn()\nfrom simtandem.host.process_exit import leave\nleave(0)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""


def test_a_thread_that_works_is_waited_for() -> None:
    work = "threading.Thread(target=lambda: (go.wait(), print('worked'))).start(); "
    ends = "atexit.register(print, 'at exit'); threading.Timer(0, go.set).start(); leave(4)"
    done = ended(f"go = threading.Event(); {work}{ends}")
    assert (done.returncode, done.stdout.split("\n")) == (4, ["worked", "at exit", ""])


def test_a_thread_that_may_hang_is_not_waited_for() -> None:
    hangs = "threading.Thread(target=threading.Event().wait).start(); "
    told = "from simtandem.host.process_exit import threads_may_hang; threads_may_hang(); "
    done = ended(f"{hangs}{told}print('printed', end=''); leave(5)")
    assert (done.returncode, done.stdout) == (5, "printed")

import os
import socket
import subprocess
import sys

from simtandem.host.processes import process_mark, process_may_run

HERE = socket.gethostname()


def test_only_a_process_known_to_be_gone_is_taken_for_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert not process_may_run(HERE, child.pid)
    assert process_may_run("some-other-machine", child.pid)
    assert process_may_run(HERE, os.getpid())
    assert process_may_run(HERE, 1)


def test_a_process_keeps_its_mark_and_another_one_has_another() -> None:
    mark = process_mark(os.getpid())
    assert mark is not None
    assert process_mark(os.getpid()) == mark
    assert process_mark(1) != mark
    assert process_may_run(HERE, os.getpid(), mark)


def test_a_process_that_got_the_id_of_a_dead_one_is_not_taken_for_it() -> None:
    boot, _, began = str(process_mark(os.getpid())).partition("/")
    assert not process_may_run(HERE, os.getpid(), f"{boot}/{int(began) - 1}")
    assert not process_may_run(HERE, os.getpid(), f"another-boot/{began}")
    assert process_may_run("some-other-machine", os.getpid(), "another-boot/1")


def test_a_number_that_is_no_process_id_is_no_process() -> None:
    assert not process_may_run(HERE, 2**70)
    assert process_mark(2**70) is None

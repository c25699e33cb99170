"""`python -m bench.programs.whole_family COMMAND...`: run it; prints processor seconds, those of its servers too."""

import ctypes
import json
import os
import subprocess
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Wait for the command, then for everything that it has left running and that ends by itself."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    own, everything, code = 0.0, 0.0, 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        busy = usage.ru_utime + usage.ru_stime
        everything += busy
        if pid == command.pid:
            own, code = busy, os.waitstatus_to_exitcode(status)
    command.returncode = code
    print(json.dumps({"own_s": own, "everything_s": everything}))
    sys.exit(code)


if __name__ == "__main__":
    main()

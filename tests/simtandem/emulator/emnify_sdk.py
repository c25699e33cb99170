"""An environment with the carrier's official SDK in it, made once and kept beside ours.

The SDK needs pydantic 1, so it can't be installed where simtandem is. `make install` runs this file; a test that finds
the environment missing or outdated makes it.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

REQUIREMENTS = Path(__file__).with_name("requirements-sdk.txt")


def python_with_sdk() -> Path:
    """The interpreter that can import `emnify`."""
    home = Path(sys.prefix) / "emnify-sdk"
    python, mark = home / "bin" / "python", home / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    with FileLock(f"{home}.lock"):
        if not mark.exists() or mark.read_text() != wanted:
            shutil.rmtree(home, ignore_errors=True)
            venv.create(home, symlinks=True, with_pip=False)
            pip = [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(python),
                "install",
                "-qq",
                "--disable-pip-version-check",
            ]
            pinned = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
            subprocess.run([*pip, *pinned], check=True)
            mark.write_text(wanted)
    return python


if __name__ == "__main__":
    python_with_sdk()

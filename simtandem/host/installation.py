"""What an installation keeps beside its packages, made once by `make install`, for every home that uses it."""

import os
import stat
import sys
from pathlib import Path


def kept_folder(name: str) -> Path:
    """Where an installation keeps things of this name, or would."""
    return Path(sys.prefix) / "share" / "simtandem" / name


def is_safe(file: Path) -> bool:
    """Whether nobody but the installation's owner, root or this user can have written a file that is there."""
    try:
        states = [file.stat(), file.parent.stat()]
        owners = {0, os.getuid(), Path(sys.prefix).stat().st_uid}
    except OSError:
        return False
    return all(each.st_uid in owners and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in states)

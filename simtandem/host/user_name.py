"""The name of the operating system's user, for the record of who did what."""

import getpass
import os


def user_name() -> str:
    """Who runs this process, by name where there is one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in some containers
        return str(os.getuid())

"""What an account of a carrier is called, and what distinguishes it from all others.

The settings file names accounts; settings without such a file have one, `default`. Ledger, locks, rate limit and
baselines are kept for an account at the carrier's host: never for a host alone, because two accounts at one host have
nothing in common, and never for a name alone, because at another host the same ids mean other devices.
"""

import re
from dataclasses import dataclass

from schemas.hosts import plain_host, spellings

DEFAULT = "default"
"""The account of settings that name none, and of every run recorded before accounts had names."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
URGENT = "urgent"
"""The folder of an inbox whose files go before all others."""
FOLDERS_OF_INBOX = ("taken", "processed", "refused", URGENT)
"""Folders in an inbox, where an account with a section has one, too."""


def folder_in(inbox: str, name: str) -> str:
    """The address of a folder in an inbox, which is a path or a URL."""
    base, mark, query = inbox.partition("?") if "://" in inbox else (inbox, "", "")
    return f"{base.rstrip('/')}/{name}{mark}{query}"


NAME_RULE = (
    "a name has 1 to 40 of a-z, 0-9 and -, begins and ends with a letter or digit, and is none of "
    f"{', '.join(FOLDERS_OF_INBOX)}"
)


def is_name(text: str) -> bool:
    """Whether an account may be called so: names become file and folder names, perhaps ignoring case."""
    return _NAME.fullmatch(text) is not None and text not in FOLDERS_OF_INBOX


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """An account at a carrier's host, which is a plain one however it was given."""

    name: str
    host: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", plain_host(self.host))

    @property
    def file_name(self) -> str:
        """As a part of a file's name. `default` has the host alone, as before accounts had names."""
        host = self.host.replace(":", "_")
        return host if self.name == DEFAULT else f"{self.name}@{host}"

    @property
    def spellings(self) -> list[str]:
        """The host in every form, in lower case, that runs may have recorded."""
        return spellings(self.host)

    def __str__(self) -> str:
        return f"account {self.name} at {self.host}"

"""Where the files of runs are kept for all hosts."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator


class StoreSettings(BaseModel):
    """The setting of the store. Its credentials are the storage library's own business: no address may hold one."""

    store: str | None = Field(
        default=None,
        description="folder or fsspec URL, the same for all hosts of a ledger, of the runs' files; unset: `home`/runs",
    )

    @field_validator("store")
    @classmethod
    def _plain_address(cls, store: str | None) -> str | None:
        if store is None:
            return None
        plain = store.strip()
        if "://" not in plain:
            return _folder(plain)
        try:
            parts = urlsplit(plain)
            usable = "@" not in parts.netloc and not parts.query and not parts.fragment and "::" not in plain
        except ValueError:  # the message would quote the address
            usable = False
        if plain.lower().startswith("memory:"):
            message = "a store in memory ends with its process: name a folder, or an address such as s3://bucket/folder"
            raise ValueError(message)
        if not usable:
            message = "must be a folder or an address such as s3://bucket/folder, without user, password or query"
            raise ValueError(message)
        return plain.rstrip("/")


def _folder(path: str) -> str:
    try:
        folder = Path(path).expanduser()
    except RuntimeError:
        message = "this user has no home folder; name a folder in full, such as /srv/simtandem-store"
        raise ValueError(message) from None
    if not folder.is_absolute():  # it would be another one wherever a command is called
        message = "name the folder in full, such as /srv/simtandem-store"
        raise ValueError(message)
    return str(folder)

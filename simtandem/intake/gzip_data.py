"""The text of a list that was packed with gzip, as in `devices.csv.gz`: bounded, and only where all of it is there."""

import zlib

from simtandem.errors import InputError
from simtandem.intake.device_file import Bounds

_MAGIC = b"\x1f\x8b"
_WITH_HEADER = 31  # what zlib calls a gzip stream
_DAMAGED = (
    "the gzip archive is damaged or cut short.\nNothing was sent. Pack the list again, or name the CSV file itself."
)


def unpacked(data: bytes, bounds: Bounds) -> bytes:
    """What is in a gzip archive, of several parts as well; other bytes as they are.

    Raises `InputError` where the archive is damaged, or holds more than `bounds` allow: nothing beyond is unpacked.
    """
    if not data.startswith(_MAGIC):
        return data
    found = bytearray()
    while data:
        part = zlib.decompressobj(_WITH_HEADER)
        try:
            found += part.decompress(data, bounds.size + 1 - len(found))
        except zlib.error as error:
            raise InputError(_DAMAGED) from error
        if len(found) > bounds.size:
            raise bounds.too_large()
        if not part.eof:
            raise InputError(_DAMAGED)
        data = part.unused_data
    return bytes(found)

"""The body of an answer, read within bounds: so many bytes, also once unpacked, so many values, no strange numbers.

The server may be broken or hostile: a body without end, one that unpacks to gigabytes, a million nested lists, a
number of five thousand digits. None of it may fill the memory, or keep the event loop busy for more than a moment.
"""

import json
import math
import re
import zlib
from typing import Any

import httpx

ACCEPT_ENCODING = "gzip, deflate"
"""What is asked for: only what can be unpacked piece by piece, up to a bound."""

OF_A_PAGE, OF_AN_ITEM = 16 << 20, 1 << 20
"""Bytes: a page of 2,500 SIMs has about 4 MB, an item a few thousand bytes."""

_MOST_VALUES = 1_000_000  # a page of 2,500 SIMs has about 150,000
_LONGEST_INTEGER = 20
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class Unusable(Exception):
    """A body that can't be used; says why, to be in a sentence."""


async def read_body(response: httpx.Response, most: int) -> bytes:
    """The body of a streamed response, unpacked. Raises `Unusable`, and what httpx raises on the way."""
    if response.is_stream_consumed:  # a transport of the tests, which has it whole
        return response.content
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:_LONGEST_INTEGER]) > most:
        raise Unusable(_too_large(most))
    unpack, body = _unpacker(response.headers.get("Content-Encoding", "")), bytearray()
    async for piece in response.aiter_raw():
        body += unpack.take(piece, most + 1 - len(body))
        if len(body) > most:
            raise Unusable(_too_large(most))
    if not unpack.whole:
        raise Unusable("its compression is cut short")
    return bytes(body)


class _Plain:
    whole = True

    def take(self, piece: bytes, _most: int) -> bytes:
        return piece


class _Packed:
    """Unpacks no more than is asked for. What is behind the end is not looked at, and makes the body unusable."""

    def __init__(self, kind: str) -> None:
        self._raw_may_come = kind == "deflate"
        self._unpack = zlib.decompressobj(zlib.MAX_WBITS | (16 if kind == "gzip" else 0))
        self._begun = False

    @property
    def whole(self) -> bool:
        return not self._begun or (self._unpack.eof and not self._unpack.unused_data)

    def take(self, piece: bytes, most: int) -> bytes:
        first, self._begun = not self._begun, self._begun or bool(piece)
        try:
            return self._unpack.decompress(piece, most)
        except zlib.error:
            if not (first and self._raw_may_come):
                raise Unusable("its compression is broken") from None
        self._unpack = zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without its envelope, as some servers send it
        try:
            return self._unpack.decompress(piece, most)
        except zlib.error:
            raise Unusable("its compression is broken") from None


def _unpacker(encoding: str) -> _Plain | _Packed:
    kind = encoding.strip().lower().removeprefix("x-")
    if kind in ("", "identity"):
        return _Plain()
    if kind in ("gzip", "deflate"):
        return _Packed(kind)
    raise Unusable("it is compressed in a way that was not asked for")


def _too_large(most: int) -> str:
    return f"it is larger than {most >> 20} MB"


def parse(body: bytes) -> object:
    """The value of a JSON body; None where there is none. What is no number in JSON, or is far too long, is NaN.

    It is not None: an id that is shown and can't be read is not an id that is absent.

    Raises `Unusable` for one that is no JSON, or holds more values than any answer of the API.
    """
    if not body:
        return None
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) > _MOST_VALUES:
        raise Unusable("it holds more values than any answer of the API")
    try:
        value = json.loads(body, parse_int=_integer, parse_constant=lambda _: math.nan)
    except (ValueError, RecursionError):
        raise Unusable("it was cut short or is not JSON") from None
    return _mended(value) if _HALF_A_PAIR.search(body) or b"\xed" in body else value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else math.nan


def _mended(value: object) -> object:
    """The same without halves of surrogate pairs, which are no text: nothing could store or show them."""
    whole: list[Any] = [value]
    left: list[Any] = [whole]
    while left:
        part = left.pop()
        for key, each in list(part.items() if isinstance(part, dict) else enumerate(part)):
            if isinstance(each, str):
                part[key] = _text(each)
            elif isinstance(each, dict | list):
                left.append(each)
            if isinstance(key, str) and _text(key) != key:
                part[_text(key)] = part.pop(key)
    return whole[0]


def _text(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

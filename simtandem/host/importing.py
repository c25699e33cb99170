"""Imports that cost less time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


@contextmanager
def without_collecting() -> Iterator[None]:
    """Import without looking for garbage, a tenth of the time and more. What was imported is never looked at."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_http2() -> Iterator[None]:
    """Import httpx without the library for HTTP/2: a client that is asked to speak it imports that then."""
    absent = "h2" not in sys.modules
    if absent:
        sys.modules["h2"] = None  # type: ignore[assignment]  # an import of it is an ImportError
    try:
        yield
    finally:
        if absent:
            sys.modules.pop("h2", None)  # another thread's import may have taken it out


def import_caller(module: str) -> None:
    """Import a module that calls with httpx, and what httpx imports once it is used."""
    if module not in sys.modules:
        with without_collecting(), without_http2():
            import_module("httpcore")
            import_module(module)


def leave_out_unused() -> None:
    """What libraries would import for things that are not used here, and do without.

    `hypothesis` is asked for by pandera's data synthesis, `httpx._main` is httpx's own command line with a syntax
    highlighter. What is imported already, as in tests, stays.
    """
    for name in ("hypothesis", "httpx._main"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # an import of it is an ImportError

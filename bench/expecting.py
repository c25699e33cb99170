"""Numbers count only if the work was done: every measurement says what must be so, and fails if it isn't."""


def expect(what: str, found: object, wanted: object) -> None:
    """Raise RuntimeError if the two differ."""
    if found != wanted:
        raise RuntimeError(f"{what}: {wanted!r} expected, {found!r} found; no result is written")

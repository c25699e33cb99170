"""`python -m bench.programs.profiled plan FILE --to activated`: run it; prints where the time of its main thread went.

Seconds are those of a profiled run, two or three times those of one that is not; what counts is how they compare. The
ledger's thread has its own.
"""

import cProfile
import os
import pstats
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from simtandem.cli import app

_SHOWN_PLACES, _SHOWN_FUNCTIONS = 16, 25
_OURS = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run the command under a profiler; what it prints goes on as ever, the profile to stderr."""
    profile = cProfile.Profile()

    def leave(code: int) -> NoReturn:
        profile.disable()
        sys.stdout.flush()
        _show(pstats.Stats(profile, stream=sys.stderr))
        os._exit(code)  # threads of Prefect's client may wait for their server

    app.leave = leave  # type: ignore[attr-defined]  # it imports it
    profile.enable()
    app.main()


def _show(found: pstats.Stats) -> None:
    print("own seconds, by where the code is", file=sys.stderr)
    for place, seconds in own_seconds(found).most_common(_SHOWN_PLACES):
        print(f"{seconds:9.2f}  {place}", file=sys.stderr)
    found.sort_stats("tottime").print_stats(_SHOWN_FUNCTIONS)


def own_seconds(found: pstats.Stats) -> Counter[str]:
    """Seconds in functions themselves, by where the code is: a package, ours by its folder, or what is built in."""
    own: Counter[str] = Counter()
    rows: dict[tuple[str, int, str], tuple[Any, ...]] = found.stats  # type: ignore[attr-defined]
    for (file, _, function), (_, _, seconds, _, _) in rows.items():
        own[_place(file, function)] += seconds
    return own


def _place(file: str, function: str) -> str:
    """A package, ours by its folder; what is built in by its name, up to its type."""
    if file == "~":
        return function.strip("<>{}").partition(" object")[0]
    path = Path(file)
    if path.is_relative_to(_OURS) and "site-packages" not in path.parts:
        return "/".join(path.relative_to(_OURS).parts[:2])
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    return "python"


if __name__ == "__main__":
    main()

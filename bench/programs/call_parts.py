"""`python -m bench.programs.call_parts FILE apply …`: run it; writes to FILE, as JSON, where the time of calls went.

`parts`: seconds of all calls together that change a SIM, by part. `span_s`: from the first that began to the last.
`loop_s`, `ledger_s`: processor seconds of the event loop's thread meanwhile, and of the commits in the ledger's thread.
With `--profiled` in front of FILE a profiler looks on, which makes all of it slower: `packages` has the event loop's
processor seconds by where the code is, and only their shares count.
"""

import cProfile
import json
import os
import pstats
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from bench.programs.profiled import own_seconds
from simtandem.carriers.emnify.transport import Transport
from simtandem.cli import app
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying

Method = Callable[..., Any]

PARTS = {
    "slot": ("began", "recording"),
    "recorded": ("recording", "recorded"),
    "carrier": ("sent", "answered"),
    "way": ("recorded", "sent"),
    "back": ("answered", "over"),
    "ended": ("over", "ended"),
}
"""From which moment to which moment of a call."""

_moments: ContextVar[dict[str, float] | None] = ContextVar("moments", default=None)


class Watch:
    """What was noted of calls of SIMs, from outside, by taking the place of what they go through."""

    def __init__(self, profile: cProfile.Profile | None) -> None:
        self._profile = profile
        self._calls: list[dict[str, float]] = []
        self._under_way = 0
        self._began_loop_s = self._loop_s = self._ledger_s = 0.0

    def begin(self) -> None:
        """From now on, note when a call comes where."""
        _replace(Applying, "_call", _noting("began", "over"))
        _replace(CallWriter, "intent", _noting("recording", "recorded"))
        _replace(Transport, "_exchange", _noting("sent", "answered"))
        _replace(Applying, "_change_sim", self._keeping_moments)
        _replace(Applying, "_change_sims", self._counting_time)
        _replace(CallWriter, "_commit", self._counting_commits)

    def _keeping_moments(self, change_sim: Method) -> Method:
        async def one(*given: Any) -> None:
            moments: dict[str, float] = {}
            _moments.set(moments)
            await change_sim(*given)
            self._calls.append({**moments, "ended": time.perf_counter()})

        return one

    def _counting_time(self, change_sims: Method) -> Method:
        async def all_of_them(*given: Any) -> Any:
            self._enter()
            try:
                return await change_sims(*given)
            finally:
                self._leave()

        return all_of_them

    def _counting_commits(self, commit: Method) -> Method:
        def committed(*given: Any) -> None:
            before = time.thread_time()
            commit(*given)
            self._ledger_s += time.thread_time() - before if self._under_way else 0.0

        return committed

    def _enter(self) -> None:
        self._under_way += 1
        if self._under_way == 1:
            self._began_loop_s = time.thread_time()
            if self._profile is not None:
                self._profile.enable()

    def _leave(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._loop_s += time.thread_time() - self._began_loop_s
            if self._profile is not None:
                self._profile.disable()

    def found(self) -> dict[str, Any]:
        """All of it."""
        sent = [each for each in self._calls if each.keys() >= {"sent", "ended"}]
        own = Counter[str]() if self._profile is None else own_seconds(pstats.Stats(self._profile))
        return {
            "calls": len(sent),
            "parts": {part: sum(each[end] - each[begin] for each in sent) for part, (begin, end) in PARTS.items()},
            "span_s": max(each["over"] for each in sent) - min(each["began"] for each in sent),
            "loop_s": self._loop_s,
            "ledger_s": self._ledger_s,
            "packages": dict(own.most_common()),
        }


def _replace(owner: type, name: str, by: Callable[[Method], Method]) -> None:
    setattr(owner, name, by(getattr(owner, name)))


def _noting(before: str, after: str) -> Callable[[Method], Method]:
    """A method that notes when it is called and when it returns, where it is a part of such a call."""

    def around(inner: Method) -> Method:
        async def method(*given: Any, **named: Any) -> Any:
            if (moments := _moments.get()) is None:
                return await inner(*given, **named)
            moments[before] = time.perf_counter()
            try:
                return await inner(*given, **named)
            finally:
                moments[after] = time.perf_counter()

        return method

    return around


def main() -> None:
    """Run the command, and write what was noted."""
    profiled = sys.argv[1] == "--profiled"
    file = Path(sys.argv.pop(2 if profiled else 1))
    if profiled:
        sys.argv.pop(1)
    watch = Watch(cProfile.Profile(time.thread_time) if profiled else None)
    watch.begin()

    def leave(code: int) -> NoReturn:
        sys.stdout.flush()
        file.write_text(json.dumps(watch.found()))
        os._exit(code)  # threads of Prefect's client may wait for their server

    app.leave = leave  # type: ignore[attr-defined]  # it imports it
    app.main()


if __name__ == "__main__":
    main()

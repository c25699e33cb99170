"""The calls that set up and read an emulator, under `/_emulator/`. None of them counts as a carrier's call."""

import json
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

PREFIX = "/_emulator/"
ControlCall = Callable[[Request], Awaitable[object]]


class ControlRoutes:
    """Answers control calls. A mistake in one is answered 400 or 404 with a sentence, and changes nothing.

    What a call returns is its answer. LookupError is a 404; ValueError and TypeError are a 400.
    """

    def __init__(self, calls: Sequence[tuple[str, str, ControlCall]]) -> None:
        self._routes = [(Route(PREFIX + path, _never, methods=[method]), call) for method, path, call in calls]

    async def answer(self, request: Request) -> Response:
        """The answer to a control call."""
        for route, call in self._routes:
            match, child = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(child)
                try:
                    return JSONResponse(await call(request))
                except LookupError as error:
                    return JSONResponse({"message": str(error.args[0] if error.args else error)}, 404)
                except (ValueError, TypeError) as error:
                    return JSONResponse({"message": str(error)}, 400)
        return JSONResponse({"message": "no such control call"}, 404)


async def _never(_request: Request) -> Response:
    raise NotImplementedError("routes of control calls are for matching only")


async def read_object(request: Request) -> dict[str, object]:
    """The body of a control call, which is an object. Raises TypeError or ValueError."""
    return as_object(json.loads(await request.body()))


def as_object(content: object) -> dict[str, object]:
    """The same, if it is an object. Raises TypeError."""
    if not isinstance(content, dict):
        raise TypeError(f"an object is expected, not {content!r}")
    return content

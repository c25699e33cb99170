"""What the answers to all calls have in common."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.devices import MoveError
from simtandem.emulator.list_query import Page
from simtandem.emulator.refusals import NOT_ALLOWED, RefusalError, validation_failed

Call = Callable[[Request], Awaitable[Response]]
Calls = Sequence[tuple[str, str, Call]]
"""Methods, paths and what answers them. The first path that fits is taken."""


def json_answer(content: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """An answer with a body."""
    body = json.dumps(content, separators=(",", ":"))
    return Response(body, status, headers=headers, media_type="application/json")


def listing_answer(items: Sequence[object], page: Page[Any], request: Request, behaviour: Behaviour) -> Response:
    """A page of items, with its headers."""
    url = f"{request.base_url}{request.url.path.lstrip('/')}"
    return json_answer(items, page.headers(request.query_params, url, behaviour.paging_headers))


def refused_move(error: MoveError, what: str, behaviour: Behaviour) -> None:
    """Refuse a move as the behaviour says; return where it lets a PATCH to the same status pass."""
    status = behaviour.same_status if error.same else behaviour.illegal_move
    if status != 204:
        _refuse(status, f"{what} - {error}", error)


def _refuse(status: int, message: str, error: MoveError) -> NoReturn:
    refusal = RefusalError(status, NOT_ALLOWED, message)
    if status == 422:
        raise validation_failed("Input validation failed", [refusal]) from error
    raise refusal from error

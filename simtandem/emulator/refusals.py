"""How the carrier says no: the shapes of its error bodies, and its codes."""

from collections.abc import Sequence

from starlette.responses import JSONResponse, Response

FORBIDDEN = 1104
TOO_MANY_REQUESTS = 1105
NOT_FOUND = 1201
INVALID_BODY = 1400
INVALID_REFERENCE = 1401
INVALID_QUERY = 1402
INVALID_VALUE = 1403
DUPLICATE = 1405
NOT_ALLOWED = 1406
UNAVAILABLE = 1601

_ERROR_TOKENS = {
    FORBIDDEN: "Forbidden",
    TOO_MANY_REQUESTS: "TooManyRequests",
    NOT_FOUND: "NotFound",
    INVALID_BODY: "UnprocessableRequest",
    INVALID_REFERENCE: "InvalidReference",
    INVALID_QUERY: "InvalidQuery",
    INVALID_VALUE: "ValidationError",
    DUPLICATE: "Duplicate",
    NOT_ALLOWED: "NotAllowed",
    UNAVAILABLE: "ServiceUnavailable",
}


class RefusalError(Exception):
    """The carrier's no to one call, to be answered as `response()`."""

    def __init__(self, status: int, code: int, message: str, errors: Sequence["RefusalError"] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, object]:
        """The error object, with its `errors` where the carrier lists several."""
        body: dict[str, object] = {
            "error_code": self.code,
            "error_token": _ERROR_TOKENS[self.code],
            "message": self.message,
        }
        if self.errors is not None:
            body["errors"] = [error.body() for error in self.errors]
        return body

    def response(self) -> Response:
        """The answer as it goes out."""
        return JSONResponse(self.body(), self.status)


def too_many_requests(status: int = 429, *, retry_after: int | None = None) -> Response:
    """The answer to a call over a limit, and (with 401) to a login while the account is locked."""
    response = RefusalError(status, TOO_MANY_REQUESTS, "Too many requests").response()
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def gateway(status: int, message: str) -> Response:
    """What the gateway in front of the carrier's application says."""
    return JSONResponse({"message": message}, status)


def edge_page(status: int) -> Response:
    """The HTML page of the network in front of it all."""
    page = (
        f"<html><head><title>{status}</title></head><body><center><h1>{status} Bad Gateway</h1></center></body></html>"
    )
    return Response(page, status, media_type="text/html")

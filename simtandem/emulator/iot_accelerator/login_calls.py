"""Logging in, in the platform's two ways."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simtandem.emulator.iot_accelerator.answers import (
    DCP,
    INVALID,
    UNAUTHORIZED,
    Handler,
    Problem,
    problem,
    read_object,
    versioned,
)
from simtandem.emulator.iot_accelerator.company import Company
from simtandem.emulator.iot_accelerator.logins import CLIENT_ID
from simtandem.emulator.stand_in import marked

BEARER_PATH = "/iot/api/auth/token"


class LoginCalls:
    """`POST /iot/api/auth/token`; `/login`, `/login-form` and `/token-reissue` of Subscription Management."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.open: dict[tuple[str, str], Handler] = {
            ("POST", BEARER_PATH): self._bearer,
            ("POST", DCP + "/login"): self._login,
            ("POST", DCP + "/login-form"): self._login_form,
        }
        self.guarded: dict[tuple[str, str], Handler] = {("POST", DCP + "/token-reissue"): self._reissue}

    async def _bearer(self, request: Request) -> Response:
        given = await _form(request)
        missing = next(
            (name for name in ("grant_type", "client_id", "username", "password") if not given.get(name)), ""
        )
        if missing:
            detail = f"tokenV3.arg1.{missing}: {missing} must not be null"
            return _invalid(detail)
        if (given["grant_type"], given["client_id"]) != ("password", CLIENT_ID):
            return marked(_invalid("tokenV3: unknown grant_type or client_id"), "words of the refusal")
        if not self._company.logins.knows(given["username"], given["password"]):
            return _wrong()
        life = int(self._company.settings.bearer_life_s)
        answer = {"access_token": self._company.logins.bearer(), "token_type": "JWT", "expires_in": life}
        return marked(JSONResponse(answer), "life of the token")

    async def _login(self, request: Request) -> Response:
        try:
            given = await read_object(request)
        except Problem as error:
            return problem(error.status, error.detail, DCP)
        return self._access(given.get("email"), given.get("password"))

    async def _login_form(self, request: Request) -> Response:
        given = await _form(request)
        return self._access(given.get("username"), given.get("password"))

    async def _reissue(self, _request: Request) -> Response:
        return self._token()

    def _access(self, username: object, password: object) -> Response:
        return self._token() if self._company.logins.knows(username, password) else _wrong()

    def _token(self) -> Response:
        token, expiration = self._company.logins.access()
        content = {
            "message": "Login successful",
            "expirationTime": expiration,
            "userId": self._company.logins.username,
            "token": token,
        }
        return marked(versioned(content), "life of the token", "what expirationTime counts from")


async def _form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode(errors="replace")
    return {name: values[0] for name, values in parse_qs(body).items()}


def _invalid(detail: str) -> Response:
    content = {
        "code": INVALID,
        "httpStatus": 400,
        "message": "Request validation failed",
        "detailedMessage": detail,
    }
    return JSONResponse(content, 400)


def _wrong() -> Response:
    return JSONResponse({"code": UNAUTHORIZED, "httpStatus": 401, "message": "Invalid credentials"}, 401)

import httpx
import pytest

from simtandem.carriers.emnify.response_mapping import Kind, read
from simtandem.text.redaction import learn


def error(code: int, message: str = "said the carrier") -> dict[str, object]:
    return {"error_code": code, "error_token": "Token", "message": message}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.INVALID),
        (401, Kind.UNAUTHORIZED),
        (403, Kind.FORBIDDEN),
        (404, Kind.NOT_FOUND),
        (405, Kind.FORBIDDEN),
        (408, Kind.UNANSWERED),
        (409, Kind.CONFLICT),
        (418, Kind.INVALID),
        (422, Kind.INVALID),
        (429, Kind.THROTTLED),
        (500, Kind.UNANSWERED),
        (502, Kind.UNANSWERED),
        (503, Kind.UNANSWERED),
        (504, Kind.UNANSWERED),
        (599, Kind.UNANSWERED),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>Bad Gateway</html>", b'{"message": "from the gateway"}'])
def test_without_an_error_code_the_http_status_decides_whatever_the_body(
    status: int, kind: Kind, content: bytes
) -> None:
    reply = read(httpx.Response(status, content=content), wants_body=True)
    assert (reply.kind, reply.status, reply.code, reply.data) == (kind, status, None, None)
    assert f"HTTP {status}" in reply.sentence
    assert "<html>" not in reply.sentence


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 1104, Kind.FORBIDDEN),
        (400, 1201, Kind.NOT_FOUND),
        (400, 1405, Kind.CONFLICT),
        (422, 1406, Kind.CONFLICT),
        (409, 1403, Kind.INVALID),
        (400, 9999, Kind.INVALID),  # a code nobody knows: back to the status
        (409, 9999, Kind.CONFLICT),
    ],
)
def test_the_error_code_refines_a_refusal(status: int, code: int, kind: Kind) -> None:
    reply = read(httpx.Response(status, json=error(code)), wants_body=True)
    assert (reply.kind, reply.code) == (kind, code)


@pytest.mark.parametrize("code", [1000, 1104, 1105, 1201, 1301, 1400, 1401, 1403, 1405, 1406, 1601, 9999])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.UNAUTHORIZED),
        (403, Kind.FORBIDDEN),
        (404, Kind.NOT_FOUND),  # 1401: how an unknown id is answered; 1601: for good, with a 404
        (408, Kind.UNANSWERED),
        (429, Kind.THROTTLED),
        (500, Kind.UNANSWERED),
        (503, Kind.UNANSWERED),
        (200, Kind.UNANSWERED),  # success and an error in one answer
        (204, Kind.UNANSWERED),
    ],
)
def test_the_http_status_decides_the_class_whatever_the_code(status: int, code: int, kind: Kind) -> None:
    reply = read(httpx.Response(status, json=error(code)), wants_body=True)
    assert (reply.kind, reply.code) == (kind, code)


@pytest.mark.parametrize("code", [1105, 1601])
@pytest.mark.parametrize("status", [400, 409, 418, 422])
def test_no_code_makes_another_attempt_of_a_refusal(status: int, code: int) -> None:
    assert read(httpx.Response(status, json=error(code)), wants_body=True).kind.refused


def test_the_code_of_the_first_inner_error_counts_where_the_outer_one_has_none() -> None:
    body = {"message": "Validation failed", "errors": [error(1406, "not in this state"), error(1104)]}
    reply = read(httpx.Response(422, json=body), wants_body=False)
    assert (reply.kind, reply.code) == (Kind.CONFLICT, 1406)
    assert "not in this state" in reply.sentence


def test_the_outer_code_counts_before_the_inner_ones_and_the_inner_message_before_the_outer() -> None:
    body = {**error(1403, "Validation failed"), "errors": [error(1406, "status is invalid")]}
    reply = read(httpx.Response(422, json=body), wants_body=False)
    assert (reply.kind, reply.code) == (Kind.INVALID, 1403)
    assert "status is invalid" in reply.sentence


@pytest.mark.parametrize("errors", [[], ["words"], "words", None, {}])
def test_errors_of_an_odd_shape_are_read_past(errors: object) -> None:
    reply = read(httpx.Response(422, json={"error_code": "words", "errors": errors}), wants_body=True)
    assert (reply.kind, reply.code) == (Kind.INVALID, None)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>Please log in to the hotel's network</html>"),
        httpx.Response(200, content=b'[{"id": 1}, {"id'),
        httpx.Response(200, content=b"\xff\xfe"),
        httpx.Response(200, content=b""),
        httpx.Response(204),
        httpx.Response(200, json="words"),
        httpx.Response(200, json=None),
    ],
)
def test_a_good_status_without_the_json_that_was_asked_for_is_no_answer(response: httpx.Response) -> None:
    assert read(response, wants_body=True).kind is Kind.UNANSWERED


@pytest.mark.parametrize("body", [[], {}, [{"id": 1}], {"id": 1}])
def test_good_json_is_handed_on_with_the_headers(body: object) -> None:
    reply = read(httpx.Response(200, json=body, headers={"X-Total-Count": "7"}), wants_body=True)
    assert (reply.kind, reply.data) == (Kind.OK, body)
    assert reply.headers is not None
    assert reply.headers["x-total-count"] == "7"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(204), Kind.OK),
        (httpx.Response(200, json={"id": 1}), Kind.OK),
        (httpx.Response(202), Kind.OK),
        (httpx.Response(200, text="<html>Please log in</html>"), Kind.UNANSWERED),  # a proxy said that, not the carrier
        (httpx.Response(200, content=b'{"id":'), Kind.UNANSWERED),
    ],
)
def test_a_write_may_be_answered_with_nothing_but_not_with_a_page(response: httpx.Response, kind: Kind) -> None:
    assert read(response, wants_body=False).kind is kind


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_refusal_that_asks_about_the_base_address(status: int) -> None:
    reply = read(httpx.Response(status, headers={"Location": "https://elsewhere.test"}), wants_body=True)
    assert reply.kind.refused
    assert "base address" in reply.sentence


def test_only_refusals_are_not_worth_another_attempt() -> None:
    refusals = {kind for kind in Kind if kind.refused}
    assert refusals == {Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.INVALID, Kind.CONFLICT}


def test_a_sentence_says_what_and_quotes_the_carrier_on_one_short_line() -> None:
    reply = read(httpx.Response(409, json=error(1406, "can't\n  change " + "x" * 500)), wants_body=False)
    assert reply.sentence.startswith("the carrier does not allow this change (HTTP 409, code 1406: can't change xxx")
    assert len(reply.sentence) < 300
    assert "\n" not in reply.sentence


def test_a_secret_the_carrier_quotes_is_left_out_even_where_the_quotation_is_cut() -> None:
    learn("SECRET-ONE", "SECRET-TWO")
    said = error(1400, "y" * 150 + " bad token SECRET-ONE, SECRET-TWO")
    reply = read(httpx.Response(400, json=said), wants_body=True)
    assert "SECR" not in reply.sentence.replace("(secret", "")
    short = read(httpx.Response(400, json=error(1400, "SECRET-ONE is bad")), wants_body=True)
    assert "(secret) is bad" in short.sentence


@pytest.mark.parametrize(
    "body",
    [
        b'{"error_code": NaN}',
        b'{"error_code": Infinity}',
        b'{"error_code": 1e400}',
        b'{"error_code": true}',
        b'{"error_code": {}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_body_that_makes_no_sense_leaves_the_http_status_to_decide(body: bytes) -> None:
    reply = read(httpx.Response(404, content=body), wants_body=True)
    assert (reply.kind, reply.code) == (Kind.NOT_FOUND, None)


def test_a_code_may_be_written_as_a_text_or_a_double() -> None:
    for code in (b'"1104"', b"1104.0"):
        reply = read(httpx.Response(403, content=b'{"error_code": ' + code + b"}"), wants_body=True)
        assert reply.code == 1104


def test_a_message_of_the_carrier_moves_no_cursor() -> None:
    reply = read(httpx.Response(400, json={"message": "\x1b[2J\x9b\u202ebad\r\nrow"}), wants_body=True)
    assert "[2J bad row" in reply.sentence
    assert reply.sentence.isprintable()


@pytest.mark.parametrize(("code", "there"), [(1201, False), (1401, False), (None, False), (1601, True)])
def test_a_404_says_that_something_is_not_there_unless_its_code_says_otherwise(code: int | None, there: bool) -> None:
    body = {} if code is None else {"error_code": code, "message": "No IP Address available."}
    reply = read(httpx.Response(404, json=body), wants_body=False)
    assert reply.kind is Kind.NOT_FOUND
    assert ("does not have it" in reply.sentence) is not there

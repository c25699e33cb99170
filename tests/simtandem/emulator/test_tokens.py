import jwt
import pytest

from simtandem.emulator.tokens import DeniedError, LockedError, Tokens


class HandClock:
    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tokens(clock: HandClock) -> Tokens:
    return Tokens("right", clock)


def log_in(tokens: Tokens, credential: str = "right") -> dict[str, str]:
    return tokens.authenticate({"application_token": credential}, life_s=100, lock_s=300)


def test_token_says_when_it_expires_and_does(tokens: Tokens, clock: HandClock) -> None:
    token = log_in(tokens)["auth_token"]
    assert jwt.decode(token, options={"verify_signature": False})["exp"] == clock.now + 100
    assert tokens.accepts(f"Bearer {token}")
    clock.now += 100
    assert not tokens.accepts(f"Bearer {token}")


def test_tokens_differ_and_stay_valid_side_by_side(tokens: Tokens) -> None:
    first, second = log_in(tokens)["auth_token"], log_in(tokens)["auth_token"]
    assert first != second
    assert tokens.accepts(f"Bearer {first}")
    assert tokens.accepts(f"Bearer {second}")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic {}", "{}"])
def test_anything_but_a_bearer_token_of_ours_stays_out(tokens: Tokens, header: str) -> None:
    token = log_in(tokens)["auth_token"]
    assert not tokens.accepts(header.format(token))


def test_revoked_tokens_are_worth_nothing_and_a_new_one_is(tokens: Tokens) -> None:
    old = log_in(tokens)
    tokens.revoke_all()
    assert not tokens.accepts(f"Bearer {old['auth_token']}")
    with pytest.raises(DeniedError):
        tokens.authenticate({"refresh_token": old["refresh_token"]}, 100, 300)
    assert tokens.accepts(f"Bearer {log_in(tokens)['auth_token']}")


def test_refresh_token_lets_in(tokens: Tokens) -> None:
    refresh = log_in(tokens)["refresh_token"]
    assert tokens.accepts(f"Bearer {tokens.authenticate({'refresh_token': refresh}, 100, 300)['auth_token']}")


def test_third_failure_in_a_row_locks_even_the_right_token_out_for_five_minutes(
    tokens: Tokens, clock: HandClock
) -> None:
    for error in (DeniedError, DeniedError, LockedError):
        with pytest.raises(error):
            log_in(tokens, "wrong")
    clock.now += 299
    with pytest.raises(LockedError):
        log_in(tokens)
    clock.now += 1
    assert log_in(tokens)


def test_success_ends_the_row_of_failures(tokens: Tokens) -> None:
    for _ in range(3):
        for _ in range(2):
            with pytest.raises(DeniedError):
                log_in(tokens, "wrong")
        log_in(tokens)

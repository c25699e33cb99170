"""Links that log in once, and sessions of two halves."""

import pytest

from simtandem.prefect_server.login import LINK_LIFE_S, Session, Sessions


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def log_in(sessions: Sessions) -> Session:
    session = sessions.log_in(sessions.make_link())
    assert session is not None
    return session


def test_a_link_logs_in_once(sessions: Sessions) -> None:
    code = sessions.make_link()
    session = sessions.log_in(code)
    assert session is not None
    assert sessions.is_open(session.half, session.cookie)
    assert sessions.log_in(code) is None
    assert sessions.log_in("") is None


def test_a_link_is_good_for_a_while(sessions: Sessions, clock: Clock) -> None:
    early, late = sessions.make_link(), sessions.make_link()
    clock.now += LINK_LIFE_S - 1
    assert sessions.log_in(early) is not None
    clock.now += 1
    assert sessions.log_in(late) is None


def test_neither_half_is_good_alone_nor_with_the_half_of_another_session(sessions: Sessions) -> None:
    mine, other = log_in(sessions), log_in(sessions)
    for half, cookie in (
        (mine.half, ""),
        ("", mine.cookie),
        (mine.half, other.cookie),
        (mine.cookie, mine.half),
        (mine.cookie, mine.cookie),
        (mine.half, mine.half),
    ):
        assert not sessions.is_open(half, cookie)
    assert sessions.is_open(mine.half, mine.cookie)


def test_a_session_ends_when_it_is_not_used(sessions: Sessions, clock: Clock) -> None:
    used, unused = log_in(sessions), log_in(sessions)
    clock.now += 11 * 3600
    assert sessions.is_open(used.half, used.cookie)
    clock.now += 2 * 3600
    assert sessions.is_open(used.half, used.cookie)
    assert not sessions.is_open(unused.half, unused.cookie)


def test_who_asks_for_links_again_and_again_fills_no_memory(sessions: Sessions) -> None:
    first = sessions.make_link()
    last = [sessions.make_link() for _ in range(1000)][-1]
    assert len(sessions._links) <= 100
    assert sessions.log_in(first) is None
    assert sessions.log_in(last) is not None

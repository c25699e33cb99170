import pytest

from simtandem.emulator.calls import CallLog, route_of


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/sim/123", "GET /api/v1/sim/{id}"),
        ("/api/v1/sim", "GET /api/v1/sim"),
        ("/api/v2/endpoint/multi", "GET /api/v2/endpoint/multi"),
    ],
)
def test_route_leaves_ids_out(path: str, route: str) -> None:
    assert route_of("GET", path) == route


def test_most_in_any_window_looks_at_every_window_not_at_fixed_ones() -> None:
    log = CallLog()
    for at in (0, 290, 295, 299, 301, 599, 900):
        log.begin(at, "GET /")
    assert log.most_in_any(300) == 4
    assert log.most_in_any(1) == 1


def test_summary_counts_by_route_and_status_and_the_unanswered_as_zero() -> None:
    log = CallLog()
    first, second, _ = log.begin(1, "GET /a"), log.begin(2, "GET /a"), log.begin(3, "GET /b")
    log.end(second, 204)
    log.end(first, 0)
    summary = log.summary(300)
    assert summary["by_route"] == {"GET /a": 2, "GET /b": 1}
    assert summary["by_status"] == {"0": 2, "204": 1}
    assert summary["most_in_flight"] == 3
    assert log.lines() == [[1, "GET /a", 0], [2, "GET /a", 204], [3, "GET /b", 0]]

import pytest

from simtandem.emulator.faults import FaultKind, FaultRule, Faults


def fires(faults: Faults, calls: int, method: str = "PATCH", path: str = "/api/v1/sim/1") -> list[bool]:
    return [faults.pick(method, path) is not None for _ in range(calls)]


def test_every_nth_call_after_the_skipped_ones_until_the_number_is_reached() -> None:
    faults = Faults([FaultRule(FaultKind.RESET, every=2, skip=1, times=2)])
    assert fires(faults, 9) == [False, False, True, False, True, False, False, False, False]


def test_share_is_by_lot_but_the_same_lot_for_the_same_seed() -> None:
    rule = FaultRule(FaultKind.RESET, share=0.3)
    first, again, other = fires(Faults([rule], 7), 500), fires(Faults([rule], 7), 500), fires(Faults([rule], 8), 500)
    assert first == again != other
    assert 100 < sum(first) < 200


def test_rule_is_about_its_method_and_path_only() -> None:
    faults = Faults([FaultRule(FaultKind.RESET, method="PATCH", path=r"/sim/\d+$")])
    assert fires(faults, 1) == [True]
    assert fires(faults, 1, "GET") == [False]
    assert fires(faults, 1, path="/api/v1/endpoint/1") == [False]
    assert faults.fired() == [{"kind": "reset", "matched": 1, "fired": 1}]


def test_first_rule_that_fires_decides_and_the_next_does_not_see_the_call() -> None:
    faults = Faults([FaultRule(FaultKind.RESET, times=1), FaultRule(FaultKind.HANG, times=1)])
    picked = [faults.pick("GET", "/") for _ in range(3)]
    assert [rule and rule.kind for rule in picked] == [FaultKind.RESET, FaultKind.HANG, None]


def test_rule_used_again_starts_afresh() -> None:
    rule = FaultRule(FaultKind.RESET, times=1)
    assert fires(Faults([rule]), 2) == fires(Faults([rule]), 2) == [True, False]


def test_rule_with_ids_is_about_calls_that_name_one_in_path_or_rows() -> None:
    rule = FaultRule(FaultKind.REFUSED, ids=(7,))
    assert rule.matches("GET", "/api/v1/sim/7")
    assert rule.matches("GET", "/api/v1/sim/7/event")
    assert not rule.matches("GET", "/api/v1/sim/77")
    assert rule.matches("PATCH", "/api/v2/endpoint/multi", b'[{"id": 6}, {"id": 7.0}]')
    for body in (b'[{"id": 6}]', b"[7]", b"{}", b"[", b'[{"id": true}]'):
        assert not rule.matches("PATCH", "/api/v2/endpoint/multi", body)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "explode"},
        {"kind": "reset", "share": 1.5},
        {"kind": "reset", "every": 0},
        {"kind": "reset", "times": -1},
        {"kind": "reset", "path": "("},
        {"kind": "error", "status": 204},
        {"kind": "reset", "fired": 3},
        {"kind": "refused", "ids": ["7"]},
        {"kind": "refused", "ids": 7},
        {"kind": "too_many", "retry_after": "1\r\nX-Evil: 1"},
        {"kind": "reset", "share": "half"},
        {},
    ],
)
def test_impossible_rule_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        FaultRule.from_json(fields)

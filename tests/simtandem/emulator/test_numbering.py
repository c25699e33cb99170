import pytest

from simtandem.emulator.numbering import iccid_of, imsi_of, luhn_digit, msisdn_of, with_luhn


@pytest.mark.parametrize(("digits", "check"), [("7992739871", "3"), ("0", "0"), ("9", "1"), ("1789372997", "4")])
def test_luhn_digit_is_the_one_of_the_standard(digits: str, check: str) -> None:
    assert luhn_digit(digits) == check


def test_iccid_has_19_digits_and_20_with_check_digit() -> None:
    assert iccid_of(10_000_001) == "8988303000010000001"
    assert with_luhn("8988303000010000001") == "8988303000010000001" + luhn_digit("8988303000010000001")
    assert len(with_luhn(iccid_of(10_000_001))) == 20


def test_imsi_and_msisdn_are_15_digits_and_differ_between_sims() -> None:
    for number_of in (imsi_of, msisdn_of):
        assert len(number_of(10_000_001)) == 15
        assert number_of(10_000_001).isdecimal()
        assert number_of(10_000_001) != number_of(10_000_002)

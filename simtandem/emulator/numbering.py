"""The numbers on a SIM: ICCID, its check digit, IMSI, MSISDN. All follow from its id: the same each time."""

FIRST_SIM_ID = 10_000_001
FIRST_ENDPOINT_ID = 20_000_001

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # the digit sum of twice each digit


def luhn_digit(digits: str) -> str:
    """The check digit that completes `digits` (ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        total += int(digit) if position % 2 else _DOUBLED[int(digit)]
    return str(-total % 10)


def iccid_of(sim_id: int) -> str:
    """The 19 digits of a SIM's ICCID, without check digit."""
    return f"8988303{sim_id:012d}"


def with_luhn(iccid: str) -> str:
    """The 20 digits as the portal shows them."""
    return iccid + luhn_digit(iccid)


def imsi_of(sim_id: int) -> str:
    """The 15 digits of a SIM's IMSI."""
    return f"90143{sim_id:010d}"


def msisdn_of(sim_id: int) -> str:
    """The 15 digits of a SIM's phone number."""
    return f"88239{sim_id:010d}"


def name_of(endpoint_id: int, name: str | None) -> str:
    """What an endpoint is called."""
    return name if name is not None else f"device-{endpoint_id}"


def ip_address_of(endpoint_id: int) -> str:
    """The private address an endpoint gets automatically, from 100.64.0.0/10."""
    return f"100.{64 + (endpoint_id >> 16) % 64}.{(endpoint_id >> 8) % 256}.{endpoint_id % 256}"

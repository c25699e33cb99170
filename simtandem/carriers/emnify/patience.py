"""Which calls to emnify are given up sooner than others: those for one item."""

from simtandem.carriers.emnify.paths import ENDPOINT, SIM

ONE_WITHIN_S = 30.0
"""One item: a read is 15 s without a byte, and a byte a second would continue for ever."""

_MANY = "/multi"
_ONE = (f"{SIM}/", f"{ENDPOINT}/")


def one_item_s(path: str) -> float | None:
    """How long the client of a call with this path waits at most; None where it is not known to be for one item."""
    return ONE_WITHIN_S if path.startswith(_ONE) and not path.endswith(_MANY) else None

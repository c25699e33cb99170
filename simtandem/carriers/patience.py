"""How long a call may be under way: so long its own client waits for the answer, and the carrier may still do it.

A carrier works on when its client dies. So what a killed process had on its way counts as under way for as long. Which
of its calls are given up sooner, an adapter says (`registry.patience_s`).
"""

from simtandem.carriers.rate_limit import LONGEST_CALL_S

MANY_WITHIN_S = LONGEST_CALL_S - 5
"""A page of thousands, as many endpoints in one PATCH, and any call that no adapter says more of."""

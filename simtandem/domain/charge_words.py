"""What is said of SIMs that begin or cease to be charged, as far as a carrier's lifecycle knows that they do. Pure.

Where no source says which statuses are charged, the lifecycle still takes some for charged, so that limits, order and
looks hold for the direction that may cost. The words then name the status alone: an unknown is never shown as a fact.
"""

from collections.abc import Iterable

from simtandem.domain.lifecycle import Lifecycle

THE_CONTRACTS = "what that costs is the contract's"
"""The end of a sentence on SIMs of a carrier whose charges are not known."""


def known(lifecycle: Lifecycle) -> bool:
    """Whether it is known which statuses of a SIM are charged; final ones, which no run enters, do not count."""
    return all(status.charge_known for status in lifecycle.sims if not status.final)


def newly(lifecycle: Lifecycle) -> str:
    """What a SIM is that comes into a status that is charged, or is taken for it: "newly billed"."""
    return "newly billed" if known(lifecycle) else f"newly {_taken_for_charged(lifecycle)}"


def no_longer(lifecycle: Lifecycle) -> str:
    """What a SIM is that leaves such a status: "no longer billed"."""
    return "no longer billed" if known(lifecycle) else f"no longer {_taken_for_charged(lifecycle)}"


def from_now(lifecycle: Lifecycle) -> str:
    """The same as `newly`, in the legend of a plan's samples."""
    return "billed from now" if known(lifecycle) else newly(lifecycle)


def counted(lifecycle: Lifecycle) -> str:
    """How many SIMs of a fleet are in such a status, after their number: "charged"."""
    return "charged" if known(lifecycle) else _taken_for_charged(lifecycle)


def as_heading(words: str) -> str:
    """The words with a capital letter first; those of a carrier stay as they are spelled."""
    return words[:1].upper() + words[1:]


def of_all(lifecycles: Iterable[Lifecycle]) -> tuple[str, str]:
    """`newly` and `no_longer` for runs at several carriers, each word once."""
    every = list(lifecycles)
    on, off = ([*dict.fromkeys(word(each) for each in every)] for word in (newly, no_longer))
    return " or ".join(on), " or ".join(off)


def note(lifecycle: Lifecycle) -> str:
    """What follows a legend: whose the cost is; empty where it is known."""
    return "" if known(lifecycle) else f"; {THE_CONTRACTS}"


def without_return(count: int, lifecycle: Lifecycle) -> str:
    """The sentence on so many SIMs from a status that nothing goes back to; empty for none."""
    if not count:
        return ""
    sims = "1 SIM" if count == 1 else f"{count:,} SIMs"
    back = f"nothing goes back to {' or '.join(lifecycle.without_return)}."
    if known(lifecycle):
        return f"{sims} would be newly billed permanently: {back}"
    return f"{sims} would leave {'its' if count == 1 else 'their'} status permanently: {back}"


def unlimited(lifecycle: Lifecycle) -> str:
    """That no setting limits the number of such SIMs."""
    what = "bills any number" if known(lifecycle) else f"makes any number {_taken_for_charged(lifecycle)}"
    return f"No limit is set for {newly(lifecycle)} SIMs (SIMTANDEM_MAX_NEWLY_BILLED): an unattended run {what}."


def _taken_for_charged(lifecycle: Lifecycle) -> str:
    return " or ".join(lifecycle.charged)

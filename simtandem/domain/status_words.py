"""What the statuses of a carrier are called where people name one that a device has. Pure."""

from schemas.statuses import Half
from simtandem.domain.lifecycle import Lifecycle, as_written


def status_words(lifecycle: Lifecycle, half: Half) -> dict[str, str]:
    """The name of each status of a half by every word for it, as `as_written` has them.

    The words for a goal, which lists ask with, are words for its SIM's status. The carrier's own come first.
    """
    words = {word: lifecycle.goal(goal).sim for word, goal in lifecycle.wishes.items()} if half is Half.SIM else {}
    statuses = lifecycle.sims if half is Half.SIM else lifecycle.endpoints
    own = {as_written(each): one.name for one in statuses for each in (*one.words, *one.aliases, one.name)}
    return words | own

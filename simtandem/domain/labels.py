"""What findings and attributions are called wherever people read them: terminal, pages, Prefect. Pure."""

from typing import NamedTuple

from schemas.statuses import Cause, Finding
from simtandem.domain.charge_words import known
from simtandem.domain.lifecycle import Lifecycle


class Label(NamedTuple):
    """A short name, and one sentence that says what it means and whether it costs money."""

    name: str
    meaning: str


def finding_labels(lifecycle: Lifecycle) -> dict[Finding, Label]:
    """Every finding's label, in the words of a carrier."""
    charged, off = " or ".join(lifecycle.charged), _names(lifecycle, on=False)
    gone = " or ".join(one.name for one in lifecycle.endpoints if one.final)
    ending = [one for one in lifecycle.sims if one.becomes in lifecycle.charged]
    rests = [goal for goal in lifecycle.saving if goal.endpoint is not None]
    dead = " or ".join(goal.sim for goal in rests)
    by_itself = "; ".join(one.leaves for one in ending) or "it activates itself"
    return {
        Finding.PAYING_BUT_OFF: Label("Paying but off", f"SIM {charged}, endpoint {off}: charged, and can't work."),
        Finding.ON_BUT_DEAD: Label(
            "On but dead",
            f"SIM {dead}, endpoint {_names(lifecycle, on=True)}: appears active, and can't connect. Costs nothing.",
        ),
        Finding.SIM_WITHOUT_ENDPOINT: Label(
            "SIM without endpoint", f"SIM {charged}, no endpoint or a {gone} one: charged for nothing."
        ),
        Finding.ENDPOINT_WITHOUT_SIM: Label("Endpoint without SIM", "It can never connect. Costs nothing."),
        Finding.FACTORY_TEST: Label(
            f"In {' or '.join(one.name for one in ending) or 'a status that ends automatically'}",
            f"Not charged yet; {by_itself}." if known(lifecycle) or ending else _NO_ENDING,
        ),
        Finding.DRIFTED: Label("Drifted", "Left the state that simtandem last put it in."),
    }


def _names(lifecycle: Lifecycle, *, on: bool) -> str:
    return " or ".join(one.name for one in lifecycle.endpoints if one.on is on and not one.final)


_NO_ENDING = "No status of this carrier is known to do so."

ATTRIBUTIONS = {
    Cause.OURS: "by simtandem",
    Cause.SOMEBODY: "by someone else (API or Portal)",
    Cause.AUTOMATIC: "by the carrier",
    Cause.UNEXPLAINED: "no event found",
    Cause.AWAITED: "event may still arrive",
}
"""Who changed a device, as far as the record and the carrier's events show."""

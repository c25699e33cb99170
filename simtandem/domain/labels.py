"""What findings and attributions are called wherever people read them: terminal, pages, Prefect. Pure."""

from typing import NamedTuple

from schemas.statuses import Cause, Finding


class Label(NamedTuple):
    """A short name, and one sentence that says what it means and whether it costs money."""

    name: str
    meaning: str


FINDINGS = {
    Finding.PAYING_BUT_OFF: Label("Paying but off", "SIM Activated, endpoint Disabled: charged, and can't work."),
    Finding.ON_BUT_DEAD: Label(
        "On but dead", "SIM Suspended, endpoint Enabled: looks on, and can't connect. Costs nothing."
    ),
    Finding.SIM_WITHOUT_ENDPOINT: Label(
        "SIM without endpoint", "SIM Activated, no endpoint or a Deleted one: charged for nothing."
    ),
    Finding.ENDPOINT_WITHOUT_SIM: Label("Endpoint without SIM", "It can never connect. Costs nothing."),
    Finding.FACTORY_TEST: Label(
        "In Factory Test", "Not charged yet; the SIM activates itself when the test volume is used up."
    ),
    Finding.DRIFTED: Label("Drifted", "Left the state that simtandem last put it in."),
}

ATTRIBUTIONS = {
    Cause.OURS: "by simtandem",
    Cause.SOMEBODY: "by someone else (API or Portal)",
    Cause.AUTOMATIC: "by the carrier",
    Cause.UNEXPLAINED: "no event found",
    Cause.AWAITED: "event may still arrive",
}
"""Who changed a device, as far as the record and the carrier's events tell."""

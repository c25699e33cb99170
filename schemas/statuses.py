"""The words of the domain: what a SIM, an endpoint, a step and a verdict can be called.

The values are what is in files, in the ledger and on the command line. The first two are emnify's words, for its
adapter and its emulator alone; everything else asks the carrier's `Lifecycle` which statuses there are.
"""

from enum import StrEnum


class SimStatus(StrEnum):
    """What a SIM can be at emnify."""

    ISSUED = "Issued"
    ACTIVATED = "Activated"
    SUSPENDED = "Suspended"
    DELETED = "Deleted"
    FACTORY_TEST = "Factory Test"


class EndpointStatus(StrEnum):
    """What an endpoint, the device's half with its policies, can be at emnify."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    DELETED = "Deleted"


class Target(StrEnum):
    """What an operator can ask for. Which of these a carrier has is in its `Lifecycle`; deleting is none."""

    ACTIVATED = "activated"
    SUSPENDED = "suspended"
    FACTORY_TEST = "factory_test"
    PROVISIONED = "provisioned"
    DEACTIVATED = "deactivated"


EMNIFY_TARGETS = (Target.ACTIVATED, Target.SUSPENDED, Target.FACTORY_TEST)
"""What can be asked for at emnify."""


class Half(StrEnum):
    """The two halves of a device; each is changed by a call of its own."""

    SIM = "sim"
    ENDPOINT = "endpoint"


class Action(StrEnum):
    """What a plan does with an input row."""

    CHANGE = "change"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    REPEAT = "repeat"  # the same device and status as an earlier row: sent once, with that row


class Outcome(StrEnum):
    """How a planned step ended, exactly one of these."""

    APPLIED = "applied"  # the carrier confirmed it, or reading it back showed it
    UNCHANGED = "unchanged"  # it was there already when the run came to it
    REFUSED = "refused"  # the carrier said no, and trying again would not help
    HELD = "held"  # never sent, or put back, because its partner or its batch failed
    FAILED = "failed"  # sent, and known not to have happened
    UNKNOWN = "unknown"  # sent, unanswered, and it could not be read back
    ACCEPTED = "accepted"  # the carrier took the request, and it does not show yet: a look or a deadline ends it


class Verdict(StrEnum):
    """What a fresh look at the carrier says about an input row after the run, exactly one of these."""

    IN_SYNC = "in_sync"  # both halves are as asked
    CHANGED_BY_OTHERS = "changed_by_others"  # neither as asked nor where the run left it
    FAILED = "failed"  # sent, and it is not as asked
    UNKNOWN = "unknown"  # it could not be read
    REFUSED = "refused"  # no rule allows the move: nothing was sent for it
    INVALID = "invalid"  # the row can't be used as it is
    SKIPPED = "skipped"  # not sent, or only one half of it: the run was stopped before


class StoppedBy(StrEnum):
    """Who or what ended a run before it had sent everything."""

    OPERATOR = "operator"  # Ctrl-C, or a signal to the command
    PREFECT = "prefect"  # the flow run was cancelled
    STOP_RULE = "stop_rule"  # too many devices of a batch failed
    WAVE = "wave"  # too much went wrong in a wave, or nobody let the next one begin
    ERROR = "error"  # the run could not continue, as on a full disk
    KILLED = "killed"  # its process ended, and nobody recorded why


class Finding(StrEnum):
    """What an audit of the whole fleet can find about a device. One device can have several."""

    PAYING_BUT_OFF = "paying_but_off"  # SIM Activated, endpoint not Enabled: charged, and not working
    ON_BUT_DEAD = "on_but_dead"  # SIM Suspended, endpoint Enabled: appears active, and can't connect
    SIM_WITHOUT_ENDPOINT = "sim_without_endpoint"  # SIM Activated, no endpoint or a Deleted one: charged for nothing
    ENDPOINT_WITHOUT_SIM = "endpoint_without_sim"  # can never work
    FACTORY_TEST = "factory_test"  # not charged yet, and may activate itself at any moment
    DRIFTED = "drifted"  # left the state simtandem last put it in


class Cause(StrEnum):
    """Who changed a device between two looks at it, as far as the ledger and the carrier's events show."""

    OURS = "ours"  # a call by simtandem
    SOMEBODY = "somebody"  # a call of someone else's, or a click in the carrier's portal
    AUTOMATIC = "automatic"  # the carrier itself: a threshold, a policy
    UNEXPLAINED = "unexplained"  # no event, although there was time enough for one
    AWAITED = "awaited"  # no event yet: it may still come

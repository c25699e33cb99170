"""Every error an operator can meet, in one tree.

    SimtandemError                      exit code
    ├── InputError                      2   the file or an argument can't be used; nothing sent
    │   └── UnrecognisedInput           2   the file is something else, and the message quotes it
    ├── PlanRefused                     3   a safety limit or another plan digest; nothing was sent
    ├── CarrierError
    │   ├── CarrierRefused              1   the carrier refused a call permanently
    │   ├── CarrierUnavailable          4   no usable answer within the attempts and the time allowed
    │   └── AuthenticationFailed        4   the carrier refused the login
    ├── LedgerError                     1   the record can't be kept, so nothing more is sent
    │   ├── LedgerUnavailable           1   its database does not answer, or the connection was lost
    │   └── StoreError                  1   the store of the runs' files can't be used, or has another file
    ├── OrchestrationError              1   the Prefect server can't be started or reached
    └── Interrupted                   130   the operator stopped the run; what was done is recorded

Errors of httpx, pandera and SQLAlchemy are translated where they arise. A message says what, how many, the first
example, whether anything was sent, and what to do. All errors can be pickled, and none carries a secret.
"""

from typing import ClassVar

from simtandem.text.redaction import redacted


class SimtandemError(Exception):
    """The root: catch this to catch every error meant for an operator.

    Its text is redacted when it is made: errors are recorded, logged, pickled and shown in many places. `remedy` is
    what the operator does next; the documentation lists it.
    """

    exit_code: ClassVar[int] = 1
    remedy: ClassVar[str] = (
        "Read the message; if it says nothing you can act on, run the command again with `--verbose`."
    )
    record: str = ""
    """The newest head of the ledger when this ended a run, as messages show it; empty where that is not known."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(redacted(each) if isinstance(each, str) else each for each in args))


class InputError(SimtandemError):
    """The file or an argument can't be used. Nothing was sent."""

    exit_code = 2
    remedy: ClassVar[str] = (
        "Correct what the message names (row, column, argument or setting), then run the command again."
    )


class UnrecognisedInput(InputError):
    """The file is not a device list, and the message quotes from it, for people who may read that file.

    `plain` says the same without a quotation, for everyone else: a form may have named a file with secrets.
    """

    remedy: ClassVar[str] = "Check that the file is the device list that you meant: CSV, or an Excel workbook (.xlsx)."

    def __init__(self, message: str, plain: str = "") -> None:
        super().__init__(message)
        self.plain = plain


class PlanRefused(SimtandemError):
    """The plan goes beyond a safety limit, or is not the plan that was approved. Nothing was sent.

    `refusal` is the name of the Prefect state.
    """

    exit_code = 3
    remedy: ClassVar[str] = (
        "Read `plan.csv`. If it is what you want, use the option that the message names, or have the run approved."
    )

    def __init__(self, message: str, refusal: str = "Plan refused") -> None:
        super().__init__(message)
        self.refusal = refusal


class CarrierError(SimtandemError):
    """A call to the carrier failed."""

    remedy: ClassVar[str] = "Run the command again: it compares with the carrier first and sends only what is left."


class CarrierRefused(CarrierError):
    """The carrier refused a call.

    `kind` is one of the words in the adapter's answer table, `status` the HTTP status, `code` the carrier's own
    error code where it gave one.
    """

    remedy: ClassVar[str] = (
        "Read the reason of each row in `results.csv`; correct the rows in the list, then apply it again."
    )

    def __init__(
        self, message: str, kind: str = "rejected", status: int | None = None, code: int | None = None
    ) -> None:
        super().__init__(message, kind, status, code)
        self.message = str(self.args[0])
        self.kind = kind
        self.status = status
        self.code = code

    def __str__(self) -> str:
        return self.message


class CarrierUnavailable(CarrierError):
    """No usable answer within the attempts and the time allowed.

    `maybe_processed`: it was a write, and the carrier may have carried it out.
    """

    exit_code = 4
    remedy: ClassVar[str] = "Wait until the carrier answers, then run the command again: only what is left is sent."

    def __init__(self, message: str, *, maybe_processed: bool = False, status: int | None = None) -> None:
        super().__init__(message)
        self.message = str(self.args[0])
        self.maybe_processed = maybe_processed
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_unavailable, (self.message, self.maybe_processed, self.status))


def _rebuild_unavailable(message: str, maybe_processed: bool, status: int | None) -> CarrierUnavailable:  # noqa: FBT001 - pickle passes positions
    return CarrierUnavailable(message, maybe_processed=maybe_processed, status=status)


class AuthenticationFailed(CarrierError):
    """The carrier refused the login: wrong or revoked token, key or password, or an account locked for some minutes.

    Of a change that was answered so, and so was not carried out, `status` is the HTTP status, and `attempts` how often
    it was sent. `maybe_processed`: a change was not answered, and reading it back was answered so. Without either it is
    about something else, or nothing was sent.
    """

    exit_code = 4
    remedy: ClassVar[str] = (
        "Set a valid token, key or password. If the carrier accepts the refused one again, run `simtandem retry-token`."
    )

    def __init__(
        self, message: str, *, status: int | None = None, attempts: int = 0, maybe_processed: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.attempts = attempts
        self.maybe_processed = maybe_processed

    def of_change(self, status: int | None, attempts: int) -> "AuthenticationFailed":
        """The same, of a change that was answered so."""
        return AuthenticationFailed(str(self), status=status, attempts=attempts)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_failed, (str(self), self.status, self.attempts, self.maybe_processed))


def _rebuild_failed(message: str, status: int | None, attempts: int, maybe_processed: bool) -> AuthenticationFailed:  # noqa: FBT001 - see above
    return AuthenticationFailed(message, status=status, attempts=attempts, maybe_processed=maybe_processed)


class LedgerError(SimtandemError):
    """The record can't be read or written. Without a record nothing is sent."""

    remedy: ClassVar[str] = (
        "Free disk space, or give the run's user access to `SIMTANDEM_HOME` and the database; then run it again."
    )


class LedgerUnavailable(LedgerError):
    """The ledger's database does not answer, restarts, or the connection was lost. It may answer again soon."""

    remedy: ClassVar[str] = "Wait until the database answers, then run the command again."


class StoreError(LedgerError):
    """The store of the runs' files can't be reached or written, or what is there is not what was put there."""

    remedy: ClassVar[str] = (
        "Check `SIMTANDEM_STORE`, the network, this host's credentials for the store and the room there; then run the "
        "command again."
    )


class OrchestrationError(SimtandemError):
    """The Prefect server can't be started or reached."""

    remedy: ClassVar[str] = (
        "Read `prefect/server.log` in `SIMTANDEM_HOME`; check `PREFECT_API_URL` if it is set. Then run it again."
    )


class Interrupted(SimtandemError):
    """The operator stopped the run. What was sent is recorded; run it again to continue."""

    exit_code = 130
    remedy: ClassVar[str] = "Nothing has to be repaired. Run the command again: only what is left is sent."

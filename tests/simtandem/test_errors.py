import copy
import inspect
import pickle
import re

import pytest

from simtandem import errors
from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.errors import (
    AuthenticationFailed,
    CarrierError,
    CarrierRefused,
    CarrierUnavailable,
    InputError,
    Interrupted,
    LedgerError,
    LedgerUnavailable,
    OrchestrationError,
    PlanRefused,
    SimtandemError,
    StoreError,
    UnrecognisedInput,
)

EXAMPLES: list[SimtandemError] = [
    SimtandemError("something"),
    InputError("row 7: no status"),
    UnrecognisedInput("row 7: '8.98830E+18'", "row 7 can't be used"),
    PlanRefused("412 of 1,180 SIMs would be suspended"),
    CarrierError("between us"),
    CarrierRefused("the carrier said no"),
    CarrierRefused("forbidden (HTTP 403, code 1104)", Kind.FORBIDDEN, 403, 1104),
    CarrierUnavailable("no answer"),
    CarrierUnavailable("no answer to a write", maybe_processed=True, status=502),
    AuthenticationFailed("wrong token"),
    AuthenticationFailed("revoked", status=401, attempts=2),
    AuthenticationFailed("revoked", maybe_processed=True),
    LedgerError("disk full"),
    LedgerUnavailable("server closed the connection"),
    StoreError("the store is away"),
    OrchestrationError("no server"),
    Interrupted("stopped"),
]
CLASSES = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, SimtandemError)]


def test_every_error_has_an_example() -> None:
    assert {type(each) for each in EXAMPLES} == set(CLASSES)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling_whole(error: SimtandemError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.exit_code == error.exit_code


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_can_be_copied(error: SimtandemError) -> None:
    again = copy.copy(error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_errors_show_the_sentence_and_nothing_else() -> None:
    assert str(CarrierRefused("the carrier said no", Kind.CONFLICT, 409, 1406)) == "the carrier said no"
    assert str(CarrierUnavailable("no answer", maybe_processed=True, status=502)) == "no answer"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SimtandemError, 1),
        (InputError, 2),
        (PlanRefused, 3),
        (CarrierRefused, 1),
        (CarrierUnavailable, 4),
        (AuthenticationFailed, 4),
        (LedgerError, 1),
        (LedgerUnavailable, 1),
        (OrchestrationError, 1),
        (Interrupted, 130),
    ],
)
def test_exit_codes_are_those_of_the_operators_interface(error: type[SimtandemError], code: int) -> None:
    assert error.exit_code == code


def test_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+)(?: +(\d+))?", errors.__doc__ or "", re.MULTILINE)
    tree = [(len(branch) // 4, name, int(code) if code else None) for branch, name, code in drawn]
    assert {name for _, name, _ in tree} == {each.__name__ for each in CLASSES}
    parents: list[str] = []
    for depth, name, code in tree:
        del parents[depth:]
        error = vars(errors)[name]
        assert [base.__name__ for base in error.__mro__[1 : depth + 1]] == parents[::-1]
        assert code in (None, error.exit_code)
        parents.append(name)

"""What is wrong with a value, in a plain sentence instead of pydantic's words. The value itself is never quoted."""

from typing import Any, Self

from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

_PLAIN = "plain"
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_KINDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string": "must be text",
    "bool": "must be true or false",
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a number",
    "finite_number": "must be a number",
    "date": "must be a day such as 2026-01-31",
    "list": "must be a list",
    "path": "must be a path",
    "model": "must be a set of named values",
    "dict": "must be a set of named values",
}
"""By a type of pydantic's errors, or by the word before its first underscore."""


def problem(words: str) -> PydanticCustomError:
    """An error for validators of a `PlainModel`, whose words are shown as they are."""
    return PydanticCustomError(_PLAIN, "{words}", {"words": words})


def plain(error: ErrorDetails) -> str:
    """What is wrong, to be read after the name of the value: `must be at least 1`."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {_number(context[key])}"
    if kind == "string_too_long":
        return f"must have at most {_number(context['max_length'])} characters"
    if kind in ("enum", "literal_error"):
        return f"must be {context['expected']}"
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "value_error":
        return str(context["error"])
    return _KINDS.get(kind.partition("_")[0], "can't be used")


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


class PlainModel(BaseModel):
    """A model whose errors are plain sentences, wherever it is validated: in a flow, a form or a command."""

    @model_validator(mode="wrap")
    @classmethod
    def _say_it_plainly(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            found = [_translated(each) for each in error.errors(include_url=False)]
        raise ValidationError.from_exception_data(cls.__name__, found)


def _translated(error: ErrorDetails) -> InitErrorDetails:
    """The same error in plain words and without the value."""
    words = error["msg"] if error["type"] == _PLAIN else plain(error)
    return InitErrorDetails(type=problem(words), loc=error["loc"], input=None)

"""The syntax tree of a selection: what was written, and where in the text. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum


class Operator(StrEnum):
    """How a field is tested. What is written with `not` or `!=` is the negation of one of these."""

    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "in"
    LIKE = "like"
    CONTAINS = "contains"
    IS_NULL = "is null"


class Written(StrEnum):
    """What a value looks like in the text."""

    TEXT = "a text"
    NUMBER = "a number"
    DATE = "a date"
    DAYS_AGO = "a number of days ago"


@dataclass(frozen=True, slots=True)
class Value:
    """A value, without its quotes, and where it begins. Today is 0 days ago."""

    kind: Written
    text: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A field and what is asked of it. The same test in two places of the text is one."""

    name: str
    operator: Operator
    values: tuple[Value, ...] = ()
    offset: int = field(default=0, compare=False)

    @property
    def depth(self) -> int:
        """A test is a leaf."""
        return 1


@dataclass(frozen=True, slots=True)
class Not:
    """What holds where the part does not."""

    part: "Node"
    depth: int

    @classmethod
    def of(cls, part: "Node") -> "Not":
        """The negation."""
        return cls(part, part.depth + 1)


@dataclass(frozen=True, slots=True)
class Group:
    """What holds where all of the parts do, or one of them at least."""

    every: bool
    parts: tuple["Node", ...]
    depth: int

    @classmethod
    def of(cls, parts: "tuple[Node, ...]", *, every: bool) -> "Group":
        """The group."""
        return cls(every, parts, max(part.depth for part in parts) + 1)


Node = FieldTest | Not | Group

"""The grammar of a selection, and reading one by it.

A selection comes from outside: the grammar has no recursion that the parser follows (LALR), no pattern of its own is
run over the devices, and length and depth are bounded.
"""

from collections.abc import Collection
from functools import cache
from typing import cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from schemas.parameters import LONGEST_SELECTION
from simtandem.errors import InputError
from simtandem.selection.mistakes import mistake
from simtandem.selection.syntax import FieldTest, Group, Node, Not, Operator, Value, Written

DEEPEST = 30
"""So many `not`, `and` and `or` may be inside each other."""

GRAMMAR = r"""
?start: any
?any: all (_OR all)*
?all: one (_AND one)*
?one: _NOT one                                    -> negated
    | "(" any ")"
    | FIELD COMPARISON value                      -> compared
    | FIELD _IN "(" value ("," value)* ")"        -> among
    | FIELD _NOT _IN "(" value ("," value)* ")"   -> not_among
    | FIELD (LIKE | CONTAINS) TEXT                -> matched
    | FIELD _NOT (LIKE | CONTAINS) TEXT           -> not_matched
    | FIELD _IS _NULL                             -> missing
    | FIELD _IS _NOT _NULL                        -> present
?value: TEXT                                      -> text
      | DATE                                      -> date
      | NUMBER                                    -> number
      | NUMBER _DAYS _AGO                         -> days_ago
      | TODAY                                     -> today

_OR: "or"i
_AND: "and"i
_NOT: "not"i
_IN: "in"i
_IS: "is"i
_NULL: "null"i
_AGO: "ago"i
_DAYS: /days?/i
LIKE: "like"i
CONTAINS: "contains"i
TODAY: "today"i
COMPARISON: "=" | "==" | "!=" | "<>" | "<=" | ">=" | "<" | ">"
TEXT: /'(?:[^']|'')*'/ | /"(?:[^"]|"")*"/
DATE.2: /[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9A-Za-z_])/
NUMBER: /[0-9]+(?![0-9A-Za-z_])/
FIELD: /[A-Za-z_][A-Za-z0-9_]*/

%import common.WS
%ignore WS
"""

_NOT_EQUAL = ("!=", "<>")


class _Tree(Transformer[Token, Node]):
    """Makes the syntax tree while the text is read."""

    def any(self, parts: list[Node]) -> Node:
        return Group.of(tuple(parts), every=False)

    def all(self, parts: list[Node]) -> Node:
        return Group.of(tuple(parts), every=True)

    def negated(self, parts: list[Node]) -> Node:
        return Not.of(parts[0])

    def compared(self, parts: tuple[Token, Token, Value]) -> Node:
        field, sign, value = parts
        if str(sign) in _NOT_EQUAL:
            return Not.of(_test(field, Operator.EQUAL, value))
        return _test(field, Operator(sign[0] if sign == "==" else sign), value)

    def among(self, parts: list[Token | Value]) -> Node:
        return _test(cast("Token", parts[0]), Operator.IN, *cast("list[Value]", parts[1:]))

    def not_among(self, parts: list[Token | Value]) -> Node:
        return Not.of(self.among(parts))

    def matched(self, parts: list[Token]) -> Node:
        return _test(parts[0], Operator(parts[1].lower()), self.text(parts[2:]))

    def not_matched(self, parts: list[Token]) -> Node:
        return Not.of(self.matched(parts))

    def missing(self, parts: list[Token]) -> Node:
        return _test(parts[0], Operator.IS_NULL)

    def present(self, parts: list[Token]) -> Node:
        return Not.of(self.missing(parts))

    def text(self, parts: list[Token]) -> Value:
        quote = parts[0][0]
        return _value(Written.TEXT, parts[0], parts[0][1:-1].replace(quote * 2, quote))

    def date(self, parts: list[Token]) -> Value:
        return _value(Written.DATE, parts[0], str(parts[0]))

    def number(self, parts: list[Token]) -> Value:
        return _value(Written.NUMBER, parts[0], str(parts[0]))

    def days_ago(self, parts: list[Token]) -> Value:
        return _value(Written.DAYS_AGO, parts[0], str(parts[0]))

    def today(self, parts: list[Token]) -> Value:
        return _value(Written.DAYS_AGO, parts[0], "0")


def _test(field: Token, operator: Operator, *values: Value) -> FieldTest:
    return FieldTest(str(field).lower(), operator, values, field.start_pos or 0)


def _value(kind: Written, token: Token, text: str) -> Value:
    return Value(kind, text, token.start_pos or 0)


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", transformer=_Tree(), maybe_placeholders=False)


def parse(text: str) -> Node:
    """The syntax tree of a selection. Raises `InputError`, which shows the place of a mistake."""
    if not text.strip():
        raise InputError("The selection is empty. Nothing was sent. Write one such as: name like 'pump-%'")
    if len(text) > LONGEST_SELECTION:
        raise InputError(
            f"The selection has {len(text):,} characters, and at most {LONGEST_SELECTION:,} are read. "
            "Nothing was sent. Name the devices in a list (FILE) instead."
        )
    try:
        tree = cast("Node", _parser().parse(text))
    except UnexpectedInput as unexpected:
        raise _unexpected(text, unexpected) from None
    if tree.depth > DEEPEST:
        raise InputError(
            f"The selection has more than {DEEPEST} of not, and, or inside each other. Nothing was sent. "
            "Write it flatter, with in (…) for example."
        )
    return tree


def _unexpected(text: str, error: UnexpectedInput) -> InputError:
    """The mistake, in words: what is there, and what could be."""
    expected: Collection[str] = ()
    offset = error.pos_in_stream
    if isinstance(error, UnexpectedCharacters):
        expected = error.allowed
    elif isinstance(error, UnexpectedToken):
        expected = error.accepts or error.expected
        offset = len(text) if error.token.type == "$END" else error.token.start_pos
    elif isinstance(error, UnexpectedEOF):
        expected = error.expected
    place = len(text.rstrip()) if offset is None or offset >= len(text) else offset
    closed = text.count("(", 0, place) <= text.count(")", 0, place)
    return mistake(text, place, _wanted({*expected} - ({"RPAR"} if closed else set()), text[place:].lstrip()))


_NEXT: tuple[tuple[str, str], ...] = (
    ("TEXT", "a text in quotes is expected here, such as 'pump-%'"),
    (
        "COMPARISON",
        "what is asked of the field is expected here: = != < <= > >=, in (…), like '…', contains '…' or is null",
    ),
    ("FIELD", "the name of a field, or not, or ( is expected here"),
    ("LPAR", "the values are expected here in parentheses, such as ('a', 'b')"),
    ("RPAR", "and, or, a comma or a closing ) is expected here"),
    ("_NULL", "null or not null is expected here"),
)
"""What to say where the grammar allows this next."""


def _wanted(expected: set[str], there: str) -> str:
    if there[:1] in ("'", '"') and "TEXT" in expected:
        return "this text has no closing quote"
    if {"TEXT", "NUMBER"} <= expected:
        quoted = "; a word needs quotes" if there[:1].isalpha() else ""
        return f"a value is expected here: 'a text', 17, 2026-01-31, today or 30 days ago{quoted}"
    if "RPAR" in expected and not there:
        return "a closing ) is missing here"
    return next((said for what, said in _NEXT if what in expected), "and, or, or the end is expected here")

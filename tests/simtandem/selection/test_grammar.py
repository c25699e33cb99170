"""Reading a selection, and what is said of one that can't be read."""

import pytest

from schemas.parameters import LONGEST_SELECTION
from simtandem.errors import InputError
from simtandem.selection.grammar import DEEPEST, parse
from simtandem.selection.syntax import FieldTest, Group, Not, Operator, Value, Written


def text(word: str) -> Value:
    return Value(Written.TEXT, word)


A = FieldTest("a", Operator.EQUAL, (text("x"),))
B = FieldTest("b", Operator.IS_NULL)
C = FieldTest("c", Operator.LESS, (Value(Written.DATE, "2026-01-31"),))


@pytest.mark.parametrize(
    ("written", "tree"),
    [
        ("a = 'x'", A),
        ('A == "x"', A),
        ("a != 'x'", Not.of(A)),
        ("not a <> 'x'", Not.of(Not.of(A))),
        ("a = 'x' or b is null and c < 2026-01-31", Group.of((A, Group.of((B, C), every=True)), every=False)),
        ("(a = 'x' OR b IS NULL) AND c < 2026-01-31", Group.of((Group.of((A, B), every=False), C), every=True)),
        ("not a = 'x' and b is not null", Group.of((Not.of(A), Not.of(B)), every=True)),
        ("a in ('x', 7)", FieldTest("a", Operator.IN, (text("x"), Value(Written.NUMBER, "7")))),
        ("a not in ('x')", Not.of(FieldTest("a", Operator.IN, (text("x"),)))),
        ("a like 'x%'", FieldTest("a", Operator.LIKE, (text("x%"),))),
        ("a not contains 'x'", Not.of(FieldTest("a", Operator.CONTAINS, (text("x"),)))),
        ("a = 'it''s \"x\"'", FieldTest("a", Operator.EQUAL, (text('it\'s "x"'),))),
        ('a = "it\'s ""x"""', FieldTest("a", Operator.EQUAL, (text('it\'s "x"'),))),
        ("a >= 30 days ago", FieldTest("a", Operator.AT_LEAST, (Value(Written.DAYS_AGO, "30"),))),
        ("a > today", FieldTest("a", Operator.MORE, (Value(Written.DAYS_AGO, "0"),))),
        ("\n a\t=\n'x'", A),
        ("android = 'x'", FieldTest("android", Operator.EQUAL, (text("x"),))),
    ],
)
def test_a_selection_is_read_by_the_grammar(written: str, tree: object) -> None:
    assert parse(written) == tree


@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ("a = x", "column 5", "a word needs quotes"),
        ("a = 'x", "column 5", "no closing quote"),
        ("a", "column 2", "what is asked of the field"),
        ("(a = 'x'", "column 9", "a closing ) is missing"),
        ("a = 'x')", "column 8", "and, or, or the end"),
        ("a = 'x' b", "column 9", "and, or, or the end"),
        ("a in 'x'", "column 6", "in parentheses"),
        ("a in ('x'", "column 10", "a closing ) is missing"),
        ("a in ()", "column 7", "a value is expected"),
        ("a is 'x'", "column 6", "null or not null"),
        ("a like 7", "column 8", "a text in quotes"),
        ("a = 12x", "column 5", "a value is expected"),
        ("and a = 'x'", "column 5", "what is asked of the field"),
        ("a = 'x' and\n ;", "line 2, column 2", "the name of a field"),
        ("a = 'x' & b = 'y'", "column 9", "and, or, or the end"),
    ],
)
def test_a_mistake_is_shown_at_its_place(written: str, place: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(written)
    message = str(caught.value)
    assert f", {place}: " in message
    assert said in message
    assert "Nothing was sent" in message
    assert message.splitlines()[-1].strip() == "^"


def test_the_caret_stands_below_the_place_also_in_a_long_line_with_signs_that_nobody_sees() -> None:
    written = "a = '\x1b[31m' and " + "b = 'x' and " * 20 + "c = oops and d = 'x'"
    with pytest.raises(InputError) as caught:
        parse(written)
    line, caret = str(caught.value).splitlines()[1:]
    assert line[caret.index("^") :].startswith("oops")
    assert len(line) < 120
    with pytest.raises(InputError) as caught:
        parse("a = '\x1b[31m' and b = oops")
    line, caret = str(caught.value).splitlines()[1:]
    assert "\x1b" not in line
    assert line[caret.index("^") :].startswith("oops")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_nothing_is_no_selection(blank: str) -> None:
    with pytest.raises(InputError, match="is empty"):
        parse(blank)


def test_length_and_depth_are_bounded() -> None:
    parse("(" * 900 + "a = 'x'" + ")" * 900)
    parse("not " * (DEEPEST - 1) + "a = 'x'")
    with pytest.raises(InputError, match="inside each other"):
        parse("not " * DEEPEST + "a = 'x'")
    parse("a = 'x' or " * 150 + "a = 'x'")
    with pytest.raises(InputError, match="at most 2,000 are read"):
        parse("a = '" + "x" * LONGEST_SELECTION + "'")

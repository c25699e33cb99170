"""What polars selects is what a plain loop over the rows selects."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from simtandem.selection.expressions import MOMENT, TYPES, pattern, tags_of
from tests.simtandem.selection.listed import FIELDS, NAMES, TODAY, selecting

Row = Mapping[str, Any]
WORDS = ("", "a", "ab", "b%", "it's", 'x"y', "depot-7", "Ä_", "a\nb")
TAGS = ("a", "ab", "depot-7", "it's", 'x"y')
STATUSES = ("Issued", "Activated", "Factory Test", "Suspended")
DAYS = tuple(TODAY - timedelta(days=days) for days in (0, 1, 30, 31))
MOMENTS = tuple(
    datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - late
    for day, hour, late in itertools.product(DAYS, (0, 12), (timedelta(0), timedelta(milliseconds=1)))
)

rows = st.fixed_dictionaries(
    {
        "name": st.none() | st.sampled_from(WORDS),
        "tag": st.none() | st.lists(st.sampled_from(TAGS), max_size=3),
        "sim_status": st.none() | st.sampled_from(STATUSES),
        "activation_date": st.none() | st.sampled_from(MOMENTS),
        "sim_id": st.none() | st.integers(1, 5),
    }
)


def quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


texts = st.sampled_from([word for word in WORDS if "," not in word]).map(quoted)
tags = st.sampled_from(TAGS).map(quoted)
statuses = st.sampled_from(STATUSES).map(quoted)
dates = st.sampled_from([str(day) for day in DAYS] + ["today", "30 days ago"])
patterns = (
    st.lists(st.sampled_from(["%", "_", "a", "b", r"\%", "'", '"', "-", "."]), max_size=4).map("".join).map(quoted)
)
orders = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def among(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(values, min_size=1, max_size=3).map(lambda some: f"({', '.join(some)})")
    return st.tuples(st.sampled_from(["in", "not in"]), listed).map(" ".join)


def compared(signs: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(signs, values).map(" ".join)


equal, nulls = st.sampled_from(["=", "!="]), st.sampled_from(["is null", "is not null"])
like = compared(st.sampled_from(["like", "not like", "contains", "not contains"]), patterns)
ASKED = {
    "name": compared(equal, texts) | among(texts) | like | nulls,
    "tag": compared(equal, tags) | among(tags) | like | nulls,
    "sim_status": compared(equal, statuses) | among(statuses) | nulls,
    "activation_date": compared(orders, dates) | among(dates) | nulls,
    "sim_id": compared(orders, st.integers(1, 5).map(str)) | among(st.integers(1, 5).map(str)) | nulls,
}
tests = st.one_of([asked.map(lambda asks, name=name: f"{name} {asks}") for name, asked in ASKED.items()])  # type: ignore[misc]
selections = st.recursive(
    tests,
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda three: f"({' '.join(three)})"),
    ),
    max_leaves=5,
)


def holds(text: str, row: Row) -> bool:
    """An interpreter of its own: it reads the text from left to right, by words, and knows nothing of the grammar."""
    return Oracle(text, row).whole()


class Oracle:
    def __init__(self, text: str, row: Row) -> None:
        self.signs, self.row = list(self.words(text)), row

    def words(self, text: str) -> list[str]:
        found, at = [], 0
        while at < len(text):
            if text[at] == "'":
                end = at + 1
                while text[end] != "'" or text[end + 1 : end + 2] == "'":
                    end += 2 if text[end] == "'" else 1
                found.append(text[at : end + 1])
                at = end + 1
            elif text[at] in "(),":
                found.append(text[at])
                at += 1
            elif text[at] == " ":
                at += 1
            else:
                end = at
                while end < len(text) and text[end] not in " (),":
                    end += 1
                found.append(text[at:end])
                at = end
        return found

    def take(self) -> str:
        return self.signs.pop(0)

    def next(self) -> str:
        return self.signs[0] if self.signs else ""

    def whole(self) -> bool:
        value = self.one()
        while self.next() in ("and", "or"):
            sign, other = self.take(), self.one()
            value = (value and other) if sign == "and" else (value or other)
        return value

    def one(self) -> bool:
        if self.next() == "not":
            self.take()
            return not self.one()
        if self.next() == "(":
            self.take()
            value = self.whole()
            self.take()
            return value
        return self.test(self.take())

    def test(self, name: str) -> bool:
        sign = self.take()
        if sign == "is":
            wanted = self.take() == "null"
            if not wanted:
                self.take()
            return (self.row[name] in (None, [])) == wanted
        if sign == "not":
            return not self.asked(name, self.take())
        return not self.asked(name, "=") if sign == "!=" else self.asked(name, sign)

    def asked(self, name: str, sign: str) -> bool:
        values = self.values(sign)
        here = self.row[name]
        each = here if name == "tag" else [here]
        return any(self.fits(one, sign, value) for one in each or [] if one is not None for value in values)

    def values(self, sign: str) -> list[str]:
        if sign == "in":
            self.take()
            made = []
            while True:
                made.append(self.value())
                if self.take() == ")":
                    return made
        return [self.value()]

    def value(self) -> str:
        word = self.take()
        if self.next() == "days":
            self.take()
            self.take()
            return str(TODAY - timedelta(days=int(word)))
        if word == "today":
            return str(TODAY)
        return word[1:-1].replace("''", "'") if word.startswith("'") else word

    def fits(self, here: Any, sign: str, value: str) -> bool:
        if sign == "contains":
            return value in here
        if sign == "like":
            return like_by_hand(here, value)
        left: Any = str(here.date()) if isinstance(here, datetime) else here
        right: Any = int(value) if isinstance(here, int) else value
        return {  # type: ignore[no-any-return]  # of two values of one kind
            "=": left == right,
            "in": left == right,
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
        }[sign]


def like_by_hand(text: str, wanted: str) -> bool:
    if not wanted:
        return not text
    if wanted[0] == "%":
        return any(like_by_hand(text[at:], wanted[1:]) for at in range(len(text) + 1))
    taken = wanted[1:2] if wanted[0] == "\\" else wanted[0]
    rest = wanted[2:] if wanted[0] == "\\" else wanted[1:]
    fits = bool(text) and (wanted[0] == "_" or text[0] == taken)
    return fits and like_by_hand(text[1:], rest)


def table(some: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {each.name: TYPES[each.kind] for each in FIELDS.fields}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in some], schema)


@settings(max_examples=250, deadline=None)
@given(selections, st.lists(rows, min_size=1, max_size=6))
def test_polars_selects_what_a_loop_over_the_rows_selects(text: str, some: list[dict[str, Any]]) -> None:
    selection = selecting(text)
    chosen = table(some).select(selection.judged(NAMES)).select(selection.selects()).to_series()
    assert chosen.to_list() == [holds(text, row) for row in some], text


@settings(max_examples=100, deadline=None)
@given(selections, rows)
def test_judged_in_two_parts_it_selects_the_same(text: str, row: dict[str, Any]) -> None:
    selection = selecting(text)
    one, others = table([row]), [name for name in NAMES if name not in ("name", "tag")]
    parts = one.with_columns(selection.judged(["name", "tag"])).with_columns(one.select(selection.judged(others)))
    chosen = parts.select(selection.selects()).item()
    assert chosen == holds(text, row)
    known = {name: parts[name].item() for name in selection.columns(["name", "tag"])}
    assert selection.may_select(known) or not chosen


def test_a_pattern_has_no_sign_that_a_regular_expression_would_take_for_its_own() -> None:
    hostile = "(a+)+$|[^]\\\\{9}.*?^"
    assert pl.select(pl.lit(hostile.replace("\\\\", "\\")).str.contains(pattern(hostile))).item() is True
    assert pl.select(pl.lit("a" * 5000).str.contains(pattern("%a" * 100 + "b"))).item() is False


def test_tags_are_taken_apart_at_commas_without_the_spaces_around_them() -> None:
    told = pl.DataFrame({"tag": [" a , b,,", "", None, ","]}).select(tags_of(pl.col("tag"))).to_series().to_list()
    assert told == [["a", "b"], [], None, []]


def test_a_moment_is_compared_to_the_millisecond() -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    one = pl.DataFrame({"activation_date": [at, at + timedelta(milliseconds=1)]}, {"activation_date": MOMENT})
    selection = selecting("activation_date = '2026-01-31T13:00:00+01:00'")
    chosen = one.select(selection.judged(["activation_date"])).select(selection.selects()).to_series()
    assert chosen.to_list() == [True, False]

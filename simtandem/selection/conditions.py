"""From the tests of a selection to conditions: each field is known, and each value is one that the field can have.

Pure. Status words are the carrier's, in any case and spelling that its lists may have. Dates are days in UTC unless a
time is given, so "before 2026-01-31" ends where that day begins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches

from schemas.statuses import Half
from simtandem.domain.lifecycle import Lifecycle, as_written
from simtandem.domain.status_words import status_words
from simtandem.errors import InputError
from simtandem.selection.fields import FieldKind, Fields, ListedField
from simtandem.selection.mistakes import mistake
from simtandem.selection.syntax import FieldTest, Operator, Value, Written

_LONGEST_NUMBER = 18
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_ORDERED = (FieldKind.DATE, FieldKind.NUMBER)
_MATCHED = (FieldKind.TEXT, FieldKind.TAGS)
_ORDERS = (Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST)


@dataclass(frozen=True, slots=True)
class Span:
    """A day, or a moment: from `start`, up to and without `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a field that is known, with values of the field's kind: texts, numbers or spans."""

    field: ListedField
    operator: Operator
    values: tuple[str | int | Span, ...]

    def earliest(self, today: date) -> datetime | None:
        """For a field of a log: whether it holds is known from what the log shows since then. None: not of a log."""
        known = self.field.days_known
        if known is None:
            return None
        ends = self.operator in (Operator.AT_MOST, Operator.MORE)
        asked = [each.end if ends else each.start for each in self.values if isinstance(each, Span)]
        return min(asked, default=_day(today - timedelta(days=known)).start)


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks the tests of a text: against the fields of a carrier and its rules, on this day."""

    text: str
    fields: Fields
    lifecycle: Lifecycle
    today: date

    def condition(self, test: FieldTest) -> Condition:
        """The condition of a test. Raises `InputError`, which shows the place of what is wrong."""
        field = self.fields.named(test.name)
        if field is None:
            raise mistake(self.text, test.offset, self.fields.instead_of(test.name))
        self._require_fit(field, test)
        condition = Condition(field, test.operator, tuple(self._value(field, value) for value in test.values))
        self._require_known(condition, test)
        return condition

    def _require_known(self, condition: Condition, test: FieldTest) -> None:
        field, earliest = condition.field, condition.earliest(self.today)
        if field.days_known is None or earliest is None:
            return
        first = self.today - timedelta(days=field.days_known)
        if earliest < _day(first).start:
            raise mistake(
                self.text,
                test.offset,
                f"{self.fields.carrier}'s log is too short for this: {field.name} can be compared with {first} and "
                f"later, which is {field.days_known} days ago",
            )

    def _require_fit(self, field: ListedField, test: FieldTest) -> None:
        allowed = field.kind in _ORDERED if test.operator in _ORDERS else True
        if test.operator in (Operator.LIKE, Operator.CONTAINS):
            allowed = field.kind in _MATCHED
        if not allowed:
            others = "= != in, is null" + (", like, contains" if field.kind in _MATCHED else "")
            orders = " < <= > >=" if field.kind in _ORDERED else ""
            raise mistake(
                self.text,
                test.offset,
                f"{field.name} is {field.kind}, which {test.operator} does not suit; use {others}{orders}",
            )

    def _value(self, field: ListedField, value: Value) -> str | int | Span:
        if not value.text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value.text):
            raise self._wrong(value, "this text is not UTF-8")
        readers: dict[FieldKind, Callable[[ListedField, Value], str | int | Span]] = {
            FieldKind.TEXT: self._text,
            FieldKind.TAGS: self._tag,
            FieldKind.SIM_STATUS: self._status,
            FieldKind.ENDPOINT_STATUS: self._status,
            FieldKind.DATE: self._date,
            FieldKind.NUMBER: self._number,
        }
        return readers[field.kind](field, value)

    def _text(self, field: ListedField, value: Value) -> str:
        if value.kind not in (Written.TEXT, Written.NUMBER):
            raise self._wrong(value, f"{field.name} is {field.kind}, and this is {value.kind}; put a text in quotes")
        if field.digits and value.text.isdigit() and len(value.text) == field.digits + 1:
            return value.text[: field.digits]  # the check digit, which listings leave out
        return value.text

    def _tag(self, field: ListedField, value: Value) -> str:
        text = self._text(field, value)
        if "," in text:
            raise self._wrong(value, "no tag has a comma in it: ask for each of them, such as tag in ('a', 'b')")
        return text.strip()

    def _status(self, field: ListedField, value: Value) -> str:
        half = Half.SIM if field.kind is FieldKind.SIM_STATUS else Half.ENDPOINT
        words = status_words(self.lifecycle, half)
        named = value.kind in (Written.TEXT, Written.NUMBER)
        if named and (found := words.get(as_written(value.text.strip()))):
            return found
        names = [each.name for each in (self.lifecycle.sims if half is Half.SIM else self.lifecycle.endpoints)]
        near = get_close_matches(as_written(value.text), words, n=1)
        meant = f"; did you mean '{words[near[0]]}'?" if near else "."
        raise self._wrong(value, f"this is no status of {field.name}{meant} It is one of {', '.join(names)}")

    def _date(self, field: ListedField, value: Value) -> Span:
        try:
            span = self._span(value)
        except (ValueError, OverflowError):
            span = None
        if span is None or not _FIRST <= span.start < _LAST:
            raise self._wrong(
                value, f"{field.name} is {field.kind}, and this is none; write 2026-01-31, today or 30 days ago"
            )
        return span

    def _span(self, value: Value) -> Span | None:
        if value.kind is Written.NUMBER:
            return None
        if value.kind is Written.DAYS_AGO:
            return _day(self.today - timedelta(days=int(value.text)))
        text = value.text.strip()
        if len(text) == len("2026-01-31"):
            return _day(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return Span(moment, moment + timedelta(milliseconds=1))

    def _number(self, field: ListedField, value: Value) -> int:
        digits = value.text.strip()
        usable = value.kind in (Written.NUMBER, Written.TEXT) and digits.isascii() and digits.isdigit()
        if not usable:
            raise self._wrong(value, f"{field.name} is {field.kind}, and this is none")
        if len(digits) > _LONGEST_NUMBER:
            raise self._wrong(value, f"this number is too large: {field.name} has at most {_LONGEST_NUMBER} digits")
        return int(digits)

    def _wrong(self, value: Value, sentence: str) -> InputError:
        return mistake(self.text, value.offset, sentence)


def _day(day: date) -> Span:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Span(start, start + timedelta(days=1))

"""A selection that is ready to be asked of devices, one table of them after the other."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from simtandem.domain.lifecycle import Lifecycle
from simtandem.selection.conditions import Checks, Condition
from simtandem.selection.expressions import TYPES, combined, holds
from simtandem.selection.fields import Fields, ListedField
from simtandem.selection.syntax import FieldTest, Group, Node, Not


@dataclass(frozen=True, slots=True)
class Selection:
    """What a text selects. Each condition is about one field, so it can be judged where that field is shown.

    `judged` makes a column for each condition of some fields; `selects` is then asked of the columns of all of them.
    """

    text: str
    tree: Node
    conditions: Mapping[FieldTest, Condition]
    today: date

    @classmethod
    def of(cls, text: str, fields: Fields, lifecycle: Lifecycle, today: date) -> "Selection":
        """Read a selection. Raises `InputError`, which says what is wrong and where."""
        from simtandem.selection.grammar import parse

        tree = parse(text)
        checks = Checks(text, fields, lifecycle, today)
        return cls(text, tree, {test: checks.condition(test) for test in dict.fromkeys(_tests(tree))}, today)

    @property
    def fields(self) -> tuple[ListedField, ...]:
        """The fields that it names, each once."""
        return tuple(dict.fromkeys(condition.field for condition in self.conditions.values()))

    def earliest(self) -> datetime | None:
        """How far back the logs have to be read that its fields are of; None where it names no such field."""
        asked = (condition.earliest(self.today) for condition in self.conditions.values())
        return min((each for each in asked if each is not None), default=None)

    def columns(self, names: Collection[str]) -> list[str]:
        """The columns that `judged` makes for these fields."""
        return [self._column(test) for test in self._about(names)]

    def judged(self, names: Collection[str]) -> list[pl.Expr]:
        """A column for each condition about these fields, over a table with their columns (`expressions.TYPES`)."""
        return [holds(self.conditions[test]).alias(self._column(test)) for test in self._about(names)]

    def of_nothing(self, names: Collection[str]) -> dict[str, bool]:
        """What holds where none of these fields has a value, by the column of `judged`."""
        if not (judged := self.judged(names)):
            return {}
        schema = {each.name: TYPES[each.kind] for each in self.fields}
        nothing = pl.DataFrame([[None] * len(schema)], schema=schema, orient="row")
        return nothing.select(judged).row(0, named=True)

    def selects(self) -> pl.Expr:
        """Whether a row is selected, over the columns of every condition."""
        return combined(self.tree, lambda test: pl.col(self._column(test)))

    def may_select(self, known: Mapping[str, bool]) -> bool:
        """Whether it can select what has these columns, for any values of the others."""
        unknown = pl.lit(None, pl.Boolean)
        stands = combined(
            self.tree,
            lambda test: pl.lit(known[name]) if (name := self._column(test)) in known else unknown,
        )
        return pl.select(stands).item() is not False

    def _about(self, names: Collection[str]) -> list[FieldTest]:
        return [test for test, condition in self.conditions.items() if condition.field.name in names]

    def _column(self, test: FieldTest) -> str:
        return f"condition {[*self.conditions].index(test)}"


def _tests(tree: Node) -> list[FieldTest]:
    match tree:
        case FieldTest():
            return [tree]
        case Not(part):
            return _tests(part)
        case Group(_, parts):
            return [test for part in parts for test in _tests(part)]

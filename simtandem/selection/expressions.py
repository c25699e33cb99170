"""From conditions to polars. Pure.

Every condition is true or false of every device. A field without a value equals nothing, is neither more nor less than
anything, and matches no pattern; so `not` and `!=` hold there. Only where a log shows no moment, that is earlier than
all that can be asked. Patterns become regular expressions of a kind that takes
time in proportion to the text, with everything but % and _ escaped.
"""

from collections.abc import Callable

import polars as pl

from simtandem.selection.conditions import Condition, Span
from simtandem.selection.fields import FieldKind
from simtandem.selection.syntax import FieldTest, Group, Node, Not, Operator

MOMENT = pl.Datetime("ms", "UTC")
TYPES: dict[FieldKind, pl.DataType] = {
    FieldKind.TEXT: pl.String(),
    FieldKind.TAGS: pl.List(pl.String),
    FieldKind.SIM_STATUS: pl.String(),
    FieldKind.ENDPOINT_STATUS: pl.String(),
    FieldKind.DATE: MOMENT,
    FieldKind.NUMBER: pl.Int64(),
}
"""What a field's column holds. A list of tags has each of them alone, without spaces around it."""


def holds(condition: Condition) -> pl.Expr:
    """Whether a condition holds of each row of a table with the field's column. Never null."""
    column = pl.col(condition.field.name)
    if condition.field.kind is FieldKind.TAGS:
        return _of_tags(column, condition)
    if condition.operator is Operator.IS_NULL:
        return column.is_null()
    earlier = condition.field.days_known is not None and condition.operator in (Operator.LESS, Operator.AT_MOST)
    return _of_value(column, condition).fill_null(value=earlier)


def combined(tree: Node, leaf: Callable[[FieldTest], pl.Expr]) -> pl.Expr:
    """The whole tree, where `leaf` is what stands for a test."""
    match tree:
        case FieldTest():
            return leaf(tree)
        case Not(part):
            return ~combined(part, leaf)
        case Group(every, parts):
            made = [combined(part, leaf) for part in parts]
            return pl.all_horizontal(made) if every else pl.any_horizontal(made)


def tags_of(text: pl.Expr) -> pl.Expr:
    """The tags of a text that separates them by commas."""
    each = pl.element().str.strip_chars()
    return text.str.split(",").list.eval(each.filter(each != ""))


def _of_value(column: pl.Expr, condition: Condition) -> pl.Expr:
    operator, values = condition.operator, condition.values
    if condition.field.kind is FieldKind.DATE:
        return pl.any_horizontal([_of_date(column, operator, span) for span in values if isinstance(span, Span)])
    if operator in (Operator.EQUAL, Operator.IN):
        return column.is_in(pl.Series(list(values), dtype=TYPES[condition.field.kind]).implode())
    if operator in (Operator.LIKE, Operator.CONTAINS):
        return _matches(column, operator, str(values[0]))
    number = pl.lit(values[0], TYPES[condition.field.kind])
    return {
        Operator.LESS: column < number,
        Operator.AT_MOST: column <= number,
        Operator.MORE: column > number,
        Operator.AT_LEAST: column >= number,
    }[operator]


def _of_date(column: pl.Expr, operator: Operator, span: Span) -> pl.Expr:
    start, end = pl.lit(span.start).cast(MOMENT), pl.lit(span.end).cast(MOMENT)
    orders = {
        Operator.LESS: column < start,
        Operator.AT_MOST: column < end,
        Operator.MORE: column >= end,
        Operator.AT_LEAST: column >= start,
    }
    return orders.get(operator, (column >= start) & (column < end))


def _of_tags(column: pl.Expr, condition: Condition) -> pl.Expr:
    if condition.operator is Operator.IS_NULL:
        return column.list.len().fill_null(0) == 0
    if condition.operator in (Operator.EQUAL, Operator.IN):
        wanted = pl.element().is_in(pl.Series(list(condition.values), dtype=pl.String).implode())
    else:
        wanted = _matches(pl.element(), condition.operator, str(condition.values[0]))
    return column.list.eval(wanted).list.any().fill_null(value=False)


def _matches(column: pl.Expr, operator: Operator, text: str) -> pl.Expr:
    if operator is Operator.CONTAINS:
        return column.str.contains(text, literal=True)
    return column.str.contains(pattern(text))


def pattern(text: str) -> str:
    r"""The regular expression of a pattern: % is any text, _ any one sign, and \ takes the next sign as it is."""
    made, signs = [], iter(text)
    for sign in signs:
        taken = next(signs, "\\") if sign == "\\" else sign
        wild = {"%": ".*", "_": "."}.get(sign)
        made.append(wild or f"\\x{{{ord(taken):X}}}")
    return f"(?s)^{''.join(made)}$"

"""Settings of an emulator that can be changed while it serves: checked, all of them or none."""

from dataclasses import fields, replace
from typing import Any, ClassVar, Self


class Adjustable:
    """What the dataclass of an emulator's settings inherits: every field has a default, whose type is the field's.

    `choices` are the values that a field may have, where it is not free. Numbers are never negative.
    """

    __slots__ = ()
    choices: ClassVar[dict[str, tuple[object, ...]]] = {}

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            wanted = type(field.default)
            fits = (
                isinstance(value, int | float) and not isinstance(value, bool)
                if wanted is float
                else type(value) is wanted
            )
            if not fits:
                raise ValueError(f"{field.name} must be of type {wanted.__name__}: {value!r}")
            if field.name in self.choices and value not in self.choices[field.name]:
                raise ValueError(f"{field.name} must be one of {self.choices[field.name]}: {value!r}")
            if wanted in {int, float} and value < 0:
                raise ValueError(f"{field.name} must not be negative: {value!r}")

    def change(self, **settings: object) -> None:
        """Set some; an unknown name or a wrong value raises ValueError and changes nothing."""
        unknown = sorted(settings.keys() - {field.name for field in fields(self)})  # type: ignore[arg-type]
        if unknown:
            raise ValueError(f"no such settings: {', '.join(unknown)}")
        changed: Any = replace(self, **settings)  # type: ignore[type-var]
        self.become(changed)

    def become(self, other: Self) -> None:
        """Take over every setting of another."""
        for field in fields(self):  # type: ignore[arg-type]
            setattr(self, field.name, getattr(other, field.name))

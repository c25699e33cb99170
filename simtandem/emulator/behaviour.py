"""What can be set about the carrier's behaviour, above all where its documents leave the answer open."""

from dataclasses import dataclass, fields, replace
from typing import Self

_CHOICES: dict[str, tuple[object, ...]] = {
    "illegal_move": (400, 409, 422),
    "same_status": (204, 400, 409, 422),
    "bulk": ("atomic", "partial"),
    "overlapping_writes": ("let_through", "refuse"),
    "role": ("issuer", "reseller", "customer"),
    "text_filter": ("contains", "exact"),
    "unknown_fields": ("refuse", "ignore"),
    "paging_headers": ("2024", "2022", "none"),
}


@dataclass(slots=True)
class Behaviour:
    """The settings, at what the documents say or, where they are silent, at the likeliest.

    Limits and time. `calls` in any `calls_window_s` seconds for each address; `authenticate_calls` likewise, for that
    call alone. `retry_after`: whether a 429 says how long to wait. `latency_s` is what every call takes,
    `bulk_latency_s` what a bulk call takes on top.

    Documented nowhere. `illegal_move` and `same_status` are the HTTP statuses such a PATCH gets; 204 lets a PATCH to
    the present status pass without effect. `bulk`: `atomic` lets one bad row stop the whole call, `partial` applies
    the good ones. `overlapping_writes`: what becomes of an endpoint write that does not wait for the one before it; it
    is counted either way. `unknown_fields` of a body: `refuse` or `ignore`. `text_filter`: whether a filter by name,
    tags or other words finds what `contains` them in either case, or what is `exact`ly so.

    Differs between accounts and years. `role`: what the caller's organisation is to every SIM; it decides which fields
    of one may be changed. `refresh_token`: whether a login answers with one. `factory_test_mode`: whether a SIM that is
    activated together with its new endpoint goes to Factory Test first. `assigned_sims_activated`: whether a SIM that a
    new endpoint gets is activated also without being asked for, as recorded in 2022. `created_body`: whether the
    answer to a new endpoint shows it, as documented, or is empty, as recorded in 2022. `paging_headers`: those recorded
    in `2024` (which have `X-Count` and others besides), those of `2022`, or `none`.
    """

    calls: int = 2000
    calls_window_s: float = 300.0
    authenticate_calls: int = 100
    path_limits: bool = True
    retry_after: bool = False
    token_life_s: float = 4 * 3600.0
    lock_s: float = 300.0
    latency_s: float = 0.0
    bulk_latency_s: float = 0.0
    illegal_move: int = 409
    same_status: int = 409
    bulk: str = "atomic"
    overlapping_writes: str = "let_through"
    role: str = "issuer"
    unknown_fields: str = "refuse"
    text_filter: str = "contains"
    refresh_token: bool = True
    factory_test_mode: bool = False
    assigned_sims_activated: bool = False
    created_body: bool = True
    paging_headers: str = "2024"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = type(field.default)
            fits = (
                isinstance(value, int | float) and not isinstance(value, bool)
                if wanted is float
                else type(value) is wanted
            )
            if not fits:
                raise ValueError(f"{field.name} must be of type {wanted.__name__}: {value!r}")
            if field.name in _CHOICES and value not in _CHOICES[field.name]:
                raise ValueError(f"{field.name} must be one of {_CHOICES[field.name]}: {value!r}")
            if wanted in {int, float} and value < 0:
                raise ValueError(f"{field.name} must not be negative: {value!r}")

    def change(self, **settings: object) -> None:
        """Set some; an unknown name or a wrong value raises ValueError and changes nothing."""
        unknown = sorted(settings.keys() - {field.name for field in fields(self)})
        if unknown:
            raise ValueError(f"no such settings: {', '.join(unknown)}")
        self.become(replace(self, **settings))  # type: ignore[arg-type]  # __post_init__ checks the types

    def become(self, other: Self) -> None:
        """Take over every setting of another."""
        for field in fields(self):
            setattr(self, field.name, getattr(other, field.name))

"""What can be set about the carrier's behaviour, above all where its documents leave the answer open."""

from dataclasses import dataclass
from typing import ClassVar

from simtandem.emulator.adjustable import Adjustable


@dataclass(slots=True)
class Behaviour(Adjustable):
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

    choices: ClassVar[dict[str, tuple[object, ...]]] = {
        "illegal_move": (400, 409, 422),
        "same_status": (204, 400, 409, 422),
        "bulk": ("atomic", "partial"),
        "overlapping_writes": ("let_through", "refuse"),
        "role": ("issuer", "reseller", "customer"),
        "text_filter": ("contains", "exact"),
        "unknown_fields": ("refuse", "ignore"),
        "paging_headers": ("2024", "2022", "none"),
    }

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

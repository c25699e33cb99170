import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.organisations import NOBODY, OwnerField
from schemas.tables import Owners, Results, empty
from simtandem.domain import ownership

CUSTOMER, RESELLER, ISSUER = OwnerField.CUSTOMER, OwnerField.RESELLER, OwnerField.ISSUER


def one_text(values: dict[OwnerField, str | None]) -> str | None:
    told: str | None = pl.select(
        ownership.text({name: pl.lit(value, pl.String) for name, value in values.items()})
    ).item()
    return told


def owners(*lines: tuple[str, str | None, str | None, str | None]) -> pl.DataFrame:
    """Lines of (sim_id, customer, reseller, issuer)."""
    return Owners.validate(pl.DataFrame(lines, schema=empty(Owners).schema, orient="row"))


def looked(wished: str | None, now: pl.DataFrame | None) -> str | None:
    schema = {"row": pl.Int64, "sim_id": pl.String, "owners": pl.String}
    table = pl.DataFrame([(2, "7", wished)], schema=schema, orient="row")
    told: str | None = ownership.look(table, "owners", now, "now")["now"].item()
    return told


def test_a_text_names_what_is_asked_in_one_order_whatever_order_it_is_given_in() -> None:
    backwards: dict[OwnerField, str | None] = {ISSUER: "3", CUSTOMER: "1", RESELLER: NOBODY}
    assert one_text(backwards) == "customer_org_id=1, reseller_org_id=none, issuer_org_id=3"
    assert one_text({RESELLER: "2", CUSTOMER: None}) == "reseller_org_id=2"


@pytest.mark.parametrize("values", [{}, {CUSTOMER: None}, dict.fromkeys(OwnerField)])
def test_nothing_asked_is_null_and_no_empty_text(values: dict[OwnerField, str | None]) -> None:
    if values:
        assert one_text(values) is None
    assert ownership.parse(None) == {}


@given(st.dictionaries(st.sampled_from(OwnerField), st.just(NOBODY) | st.integers(1, 10**18 - 1).map(str), min_size=1))
def test_a_text_says_what_it_was_made_of(values: dict[OwnerField, str]) -> None:
    text = one_text(dict(values))
    assert ownership.parse(text) == values
    table = pl.DataFrame({"owners": [text]})
    columns = table.select(ownership.as_columns("owners")).row(0, named=True)
    assert columns == {name: values.get(name) for name in OwnerField}


def test_a_look_tells_only_the_fields_that_were_asked_about() -> None:
    now = owners(("7", "1", None, "3"), ("8", "9", "9", "9"))
    assert looked("issuer_org_id=5", now) == "issuer_org_id=3"
    assert looked("customer_org_id=1, reseller_org_id=5", now) == "customer_org_id=1, reseller_org_id=none"
    assert looked(None, now) is None


@pytest.mark.parametrize("now", [None, owners(), owners(("8", "1", "2", "3"))])
def test_a_sim_that_was_not_seen_is_told_as_unknown_not_as_nobodys(now: pl.DataFrame | None) -> None:
    assert looked("customer_org_id=1", now) is None


def test_states_are_shown_with_owners_only_where_owners_were_asked_for() -> None:
    lines = {
        "row": [2, 3, 4],
        "desired": ["activated", None, "activated"],
        "before": ["Issued+Disabled", "Activated+Enabled", "Issued+Disabled"],
        "after": ["Activated+Enabled", "Activated+Enabled", "Activated+Enabled"],
        "owners": ["customer_org_id=1", "customer_org_id=1", None],
        "owners_before": ["customer_org_id=none", "customer_org_id=9", None],
        "owners_after": ["customer_org_id=1", "customer_org_id=1", None],
    }
    results = pl.DataFrame(lines, schema={name: empty(Results).schema[name] for name in lines})
    shown = ownership.beside_states(results).select("desired", "before", "after").rows()
    assert shown == [
        (
            "activated, customer_org_id=1",
            "Issued+Disabled, customer_org_id=none",
            "Activated+Enabled, customer_org_id=1",
        ),
        ("customer_org_id=1", "Activated+Enabled, customer_org_id=9", "Activated+Enabled, customer_org_id=1"),
        ("activated", "Issued+Disabled", "Activated+Enabled"),
    ]

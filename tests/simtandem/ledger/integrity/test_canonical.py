import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtandem.ledger.integrity.canonical import canonical, canonical_rows, digest

TEXTS = (
    st.none()
    | st.text(st.characters(codec="utf-8"))
    | st.sampled_from(['"', "\\", "\x00\x1f\x7f", "\u2028 ä 📶", "null"])
)


def test_members_are_sorted_nulls_are_left_out_and_nothing_is_escaped_in_vain() -> None:
    row = {"row": 2, "iccid": None, "error": 'ä "ö" \\ \n\x01\x7f', "action": "", "seconds": 0.1}
    assert canonical(row) == '{"action":"","error":"ä \\"ö\\" \\\\ \\n\\u0001\x7f","row":2,"seconds":0.1}'


def test_a_column_of_a_later_version_changes_no_hash() -> None:
    assert canonical({"row": 2, "added_later": None}) == canonical({"row": 2})


def test_what_only_a_tampered_database_holds_has_a_form_of_its_own() -> None:
    forms = [canonical({"value": value}) for value in ("41", b"41", 41, 41.0, "\udcff", "")]
    assert len({digest(form) for form in forms}) == len(forms)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.booleans())))
def test_a_table_is_written_as_its_rows_are(rows: list[tuple[object, ...]]) -> None:
    schema = {"same_as": pl.String, "first": pl.String, "row": pl.Int64, "sim_step": pl.Boolean}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    kept = [{k: int(v) if isinstance(v, bool) else v for k, v in row.items()} for row in frame.to_dicts()]
    assert canonical_rows(frame) == [canonical(row) for row in kept]


def test_a_table_with_a_type_the_ledger_does_not_keep_is_refused() -> None:
    with pytest.raises(TypeError, match="the ledger keeps no Float64 in a table: seconds"):
        canonical_rows(pl.DataFrame({"row": [2], "seconds": [0.1]}))

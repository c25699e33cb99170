import polars as pl
import pytest
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from schemas.device_csv import CellRules, DeviceCsv, check_digit
from schemas.device_csv import failures as failures_by
from schemas.organisations import OwnerField

SCHEMA = {"row": pl.Int64, "sim_id": pl.String, "endpoint_id": pl.String, "iccid": pl.String, "status": pl.String}
GOOD = {"row": 2, "sim_id": "1", "endpoint_id": None, "iccid": "89883030000100000014", "status": "activated"}

RULES = CellRules(wishes={"activated"}, unwished={"issued"})


def failures(table: pl.DataFrame, rules: CellRules = RULES) -> pl.DataFrame:
    return failures_by(table, rules)


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**GOOD, "row": row, **cells} for row, cells in enumerate(rows, start=2)], schema=SCHEMA)


def test_a_good_table_has_no_failures() -> None:
    assert failures(table({}, {"iccid": "8988303000010000001"}, {"sim_id": "9" * 18, "status": None})).is_empty()


@pytest.mark.parametrize(
    ("column", "text", "kind"),
    [
        ("sim_id", "=1+1", "formula"),
        ("endpoint_id", "-1", "formula"),
        ("iccid", "+8988303000010000001", "formula"),
        ("status", "@x", "formula"),
        ("sim_id", "1.5E+7", "scientific"),
        ("iccid", "8.98830E+18", "scientific"),
        ("iccid", "8,9883e18", "scientific"),
        ("sim_id", "1,234", "thousands"),
        ("endpoint_id", "10.000.001", "thousands"),
        ("sim_id", "1\u00a0234", "thousands"),
        ("sim_id", "1’234", "thousands"),  # noqa: RUF001 - the Swiss separator
        ("sim_id", "2026-01-31", "date"),
        ("endpoint_id", "2026-01-31T12:00:00", "date"),
        ("sim_id", "12a", "not_digits"),
        ("sim_id", "١٢", "not_digits"),
        ("iccid", "8988 x", "not_digits"),
        ("sim_id", "000", "zero"),
        ("endpoint_id", "8988303000010000001", "too_long"),
        ("iccid", "898830300001000001", "length"),
        ("iccid", "898830300001000000145", "length"),
        ("iccid", "1288303000010000001", "not_89"),
        ("iccid", "8988303000010000000", "rounded"),
        ("iccid", "89883030000100000000", "rounded"),
        ("iccid", "89883030000100000015", "luhn"),
        ("status", "issued", "unwished"),
        ("status", "off", "unknown"),
        ("status", "", "unknown"),
    ],
)
def test_each_damage_has_its_own_kind_and_the_most_telling_one_counts(column: str, text: str, kind: str) -> None:
    found = failures(table({}, {column: text}, {}))
    assert found.rows() == [(3, column, kind, text)]


def test_every_bad_cell_of_a_row_is_found() -> None:
    found = failures(table({"sim_id": "x", "iccid": "y", "status": "z"}))
    assert found["column"].sort().to_list() == ["iccid", "sim_id", "status"]


def test_a_switched_off_pandera_still_checks() -> None:
    with config_context(validation_enabled=False):
        assert failures(table({"iccid": "1"})).height == 1
    with config_context(validation_depth=ValidationDepth.SCHEMA_ONLY):
        assert failures(table({"iccid": "1"})).height == 1


@pytest.mark.parametrize(
    "broken",
    [
        table({}).drop("status"),
        table({}).with_columns(pl.col("iccid").str.slice(0, 18).cast(pl.Int64)),
        table({}).with_columns(row=pl.lit(1, pl.Int64)),
        table({}).with_columns(endpoint_id=pl.lit(None, pl.Int64)),
    ],
    ids=["column missing", "number for text", "row of the header", "empty, and no text"],
)
def test_a_table_of_the_wrong_shape_is_a_mistake_in_the_program_not_in_a_cell(broken: pl.DataFrame) -> None:
    with pytest.raises(SchemaErrors):
        failures(broken)


@pytest.mark.parametrize(
    ("iccid", "digit"),
    [("8988303000010000001", 4), ("8988303000010000002", 2), ("8944500102198304826", 1), ("0" * 19, 0), ("9" * 19, 9)],
)
def test_the_check_digit_is_luhns(iccid: str, digit: int) -> None:
    doubled = "".join(str(int(each) * (2 - index % 2)) for index, each in enumerate(reversed(iccid)))
    assert -sum(map(int, doubled)) % 10 == digit
    assert pl.select(check_digit(pl.lit(iccid))).item() == digit


def test_the_model_holds_text_and_row_numbers_only() -> None:
    columns = DeviceCsv.to_schema().columns
    assert {name: column.dtype.type for name, column in columns.items() if column.required} == SCHEMA
    assert {name for name, column in columns.items() if not column.required} == set(OwnerField)


def test_iccids_that_end_in_zeros_by_chance_are_kept_and_damaged_ones_are_not() -> None:
    genuine = pl.DataFrame({"row": range(2, 20_002)}).with_columns(
        (pl.lit("898830300") + (pl.col("row").cast(pl.String).str.zfill(10))).alias("iccid"),
        *(pl.lit(None, pl.String).alias(name) for name in ("sim_id", "endpoint_id", "status")),
    )
    genuine = genuine.select("row", "sim_id", "endpoint_id", "iccid", "status")
    assert genuine["iccid"].str.ends_with("0000").sum() == 2
    assert failures(genuine).is_empty()
    assert failures(genuine.filter(pl.col("iccid").str.ends_with("0000")))["kind"].to_list() == ["rounded"] * 2


def test_a_carrier_without_ids_of_its_own_has_shapes_for_them_and_the_checks_of_numbers_do_not_apply() -> None:
    checks = {("sim_id", check) for check in ("thousands", "not_digits", "zero", "too_long")}
    rules = CellRules({"activated"}, unchecked=checks, shapes={"sim_id": "[0-9]{19,20}|AER[0-9]{13}"})
    found = failures(table({"sim_id": "AER0000012345678"}, {"sim_id": "8918512000012345678"}, {"sim_id": "1"}), rules)
    assert found.rows() == [(4, "sim_id", "shape", "1")]
    assert failures(table({"sim_id": "=AER0000012345678"}), rules)["kind"].to_list() == ["formula"]
    assert failures(table({"sim_id": "8918512000012340000"}), rules)["kind"].to_list() == ["rounded"]
    others = failures(table({"sim_id": None, "endpoint_id": "x"}), rules)
    assert others["kind"].to_list() == ["not_digits"], "of other columns they do"

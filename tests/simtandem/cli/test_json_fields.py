import pytest

from simtandem.cli.json_fields import FIELDS, chosen, spelled_out
from simtandem.cli.runs import RunLine
from simtandem.errors import InputError
from simtandem.runs.device_findings import FINDING_HISTORY


@pytest.mark.parametrize(
    ("command", "arguments", "spelled"),
    [
        ("runs", ["--json"], ["--json"]),
        ("runs", ["--json", "--limit", "1"], ["--json", "--limit", "1"]),
        ("runs", ["--json", "run_id,state", "--limit", "1"], ["--json", "--fields", "run_id,state", "--limit", "1"]),
        ("runs", ["--json=run_id"], ["--json", "--fields", "run_id"]),
        ("runs", ["--json", "nope"], ["--json", "--fields", "nope"]),
        ("show", ["--json", "7"], ["--json", "7"]),
        ("show", ["7", "--json", "run_id, verdict"], ["7", "--json", "--fields", "run_id, verdict"]),
        ("show", ["--json", "nope"], ["--json", "nope"]),
    ],
)
def test_fields_after_json_are_an_option_and_all_else_stays(
    command: str, arguments: list[str], spelled: list[str]
) -> None:
    assert spelled_out(arguments, command, takes_arguments=command == "show") == spelled


def test_fields_come_in_the_order_they_are_asked_for() -> None:
    line = dict.fromkeys(FIELDS["runs"], "1") | {"run_id": "a", "state": "finished"}
    assert [list(each.items()) for each in chosen([line], "state, run_id", "runs")] == [
        [("state", "finished"), ("run_id", "a")]
    ]


def test_a_field_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no field colour. There are run_id, started"):
        chosen([], "run_id,colour", "runs")


def test_every_field_of_a_line_can_be_asked_for() -> None:
    assert set(FIELDS["runs"]) == set(RunLine.__annotations__)
    assert set(FIELDS["show"]) == set(FINDING_HISTORY)

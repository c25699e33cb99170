from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRunInput

from simtandem.runs.run import new_run_id
from tasks import suspension
from tasks.suspension import new_key

RUN = "20260131T120000-a1b2c3"


def test_a_key_names_its_question_and_is_never_the_same() -> None:
    first, second = (new_key(2, "bbbb333344445555", RUN) for _ in range(2))
    assert first != second
    found = suspension._KEYS.fullmatch(first)
    assert found is not None
    assert (found["time"], found["subject"], found["run_id"]) == ("2", "bbbb333344445555", RUN.lower())


def test_prefect_takes_the_key() -> None:
    key = new_key(1, "bbbb333344445555", new_run_id(datetime.now(UTC)))
    given = FlowRunInput(flow_run_id=uuid4(), key=f"suspended-{key}-schema", value="")
    assert given.key.endswith("-schema")


def test_a_key_of_an_earlier_version_names_no_run() -> None:
    found = suspension._KEYS.fullmatch("approve-1-bbbb333344445555-a1b2c3")
    assert found is not None
    assert found["run_id"] is None


@pytest.mark.parametrize("key", ["approve", "approve-x-y-z", "approve-1", "pause-1-aa-bb", "approve-1-aa-../../x-bb"])
def test_what_somebody_else_wrote_there_is_no_key(key: str) -> None:
    assert suspension._KEYS.fullmatch(key) is None

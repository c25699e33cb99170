"""What Prefect says of parameters that can't be used, before a flow runs."""

import pytest


def test_parameters_that_can_not_be_used_are_named_in_plain_words_without_their_values() -> None:
    from prefect.exceptions import ParameterTypeError  # noqa: PLC0415 - Prefect reads its settings when it is imported

    from flows.bulk_update import bulk_update  # noqa: PLC0415 - the same

    with pytest.raises(ParameterTypeError) as caught:
        bulk_update.validate_parameters({"params": {"file": 7, "batch_size": "sheep", "approval_hours": 1000}})
    assert str(caught.value).splitlines()[1:] == [
        " - params.file: must be text",
        " - params.approval_hours: must be at most 720",
        " - params.batch_size: must be a whole number",
    ]
    with pytest.raises(ParameterTypeError) as caught:
        bulk_update.validate_parameters({"params": {"file": " ", "where": "\n"}})
    assert "a device list, or a selection of devices, is needed" in str(caught.value)

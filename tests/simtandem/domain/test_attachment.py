"""What events say of a wave's devices."""

import polars as pl

from schemas.tables import Events, empty
from simtandem.domain.attachment import alerts, attached

DEVICES = pl.DataFrame({"sim_id": ["1", "2", "3"], "endpoint_id": ["101", "102", None]})


def events(*those: tuple[int, str, str | None, str | None]) -> pl.DataFrame:
    rows = [
        {"event_id": str(at), "type": kind, "description": text, "sim_id": sim, "endpoint_id": endpoint}
        for at, (kind, text, sim, endpoint) in enumerate(those)
    ]
    return pl.concat([empty(Events), pl.DataFrame(rows, schema_overrides=empty(Events).schema)], how="diagonal")


def test_a_device_attaches_once_however_many_events_it_has() -> None:
    seen = events((1, "", "1", None), (2, "", "1", "101"), (3, "New PDP Context successfully activated", "1", None))
    assert attached(seen, DEVICES) == 1
    assert alerts(seen, DEVICES) == 0


def test_an_event_that_names_an_endpoint_alone_counts() -> None:
    assert attached(events((2, "", None, "102")), DEVICES) == 1


def test_a_session_that_was_refused_is_an_alert_and_no_attachment() -> None:
    seen = events((3, "PDP Context Request rejected, because endpoint has no quota.", "1", "101"))
    assert (attached(seen, DEVICES), alerts(seen, DEVICES)) == (0, 1)


def test_other_devices_and_other_types_do_not_count() -> None:
    seen = events((1, "", "9", "109"), (8, "", "1", "101"), (15, "", "2", "102"), (1, "", None, None))
    assert (attached(seen, DEVICES), alerts(seen, DEVICES)) == (0, 0)


def test_a_blocked_organisation_is_an_alert_of_every_device() -> None:
    assert alerts(events((12, "", None, None)), DEVICES) == 3
    assert alerts(events((11, "", "2", None), (19, "", "3", None)), DEVICES) == 2

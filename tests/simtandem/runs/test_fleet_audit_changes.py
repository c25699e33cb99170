"""What changed between two audits of a fleet on the emulator, and who changed it: our runs, somebody, the carrier."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.statuses import Cause, Finding, Target
from simtandem.carriers.protocol import Carrier, Listing
from simtandem.domain.abilities import Ability
from simtandem.emulator.server import Emulator
from simtandem.errors import CarrierRefused, CarrierUnavailable, InputError
from simtandem.settings import Settings
from tests.simtandem.runs.audited_fleet import DISABLED, FIRST_ISSUED, SUSPENDED, TEST, apply, csv
from tests.simtandem.runs.conftest import Auditor


class TightLipped:
    """A carrier that shows its fleet, but no events."""

    def __init__(self, carrier: Carrier, error: Exception) -> None:
        self._carrier, self._error = carrier, error
        self.lifecycle = carrier.lifecycle

    async def list_fleet(self) -> Listing:
        return await self._carrier.list_fleet()

    async def events(self, *_: object) -> pl.DataFrame:
        raise self._error


async def test_what_others_did_in_the_middle_of_a_run_is_found_explained_and_put_right(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    issued = range(FIRST_ISSUED, FIRST_ISSUED + 20)
    await audit()

    def somebody() -> None:
        carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))  # was activated by the first batch
        carrier.change(lambda fleet: fleet.drift_endpoint(FIRST_ISSUED + 10_000_001, DISABLED))
        carrier.change(lambda fleet: fleet.drift_volume_reached(10_000_060))

    document = await apply(csv(tmp_path / "on.csv", issued), settings, Target.ACTIVATED, somebody)
    second = await audit()

    assert document["verdicts"]["changed_by_others"] == 2
    assert second.counts == {
        "paying_but_off": 5, "on_but_dead": 4, "sim_without_endpoint": 2, "endpoint_without_sim": 2,
        "factory_test": 2, "drifted": 2,
    }  # fmt: skip
    causes = second.causes()
    assert causes.pop(("sim", "10000031")) == Cause.SOMEBODY
    assert causes.pop(("endpoint", "20000032")) == Cause.SOMEBODY
    assert causes.pop(("sim", "10000060")) == Cause.AUTOMATIC
    assert set(causes.values()) == {Cause.OURS}
    assert len(causes) == 2 * 20 - 2
    ours = second.explained.filter(pl.col("ident") == "10000040").row(0, named=True)
    assert (ours["run_id"], ours["row"]) == (document["run_id"], 11)
    drifted = second.findings.filter(pl.col("finding") == Finding.DRIFTED).select("sim_id", "known_from", "explanation")
    assert drifted.rows()[0][:2] == ("10000031", "an event")
    assert "SIM Activated to Suspended: by someone else (API or Portal) at " in drifted.rows()[0][2]

    for name in ("drifted", "paying_but_off", "on_but_dead", "sim_without_endpoint"):
        await apply(second.files[f"repair-{name}"], settings)
    third = await audit()

    assert third.counts == {"endpoint_without_sim": 2, "factory_test": 2}
    assert third.told["never_managed"] == 62 - 20 - 4 - 3 - 2


async def test_events_are_read_only_for_what_our_own_record_does_not_explain(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await audit()
    await apply(csv(tmp_path / "on.csv", range(FIRST_ISSUED, FIRST_ISSUED + 20)), settings, Target.ACTIVATED)
    before = carrier.stats()["by_route"]["GET /api/v1/event"]
    second = await audit()

    assert carrier.stats()["by_route"]["GET /api/v1/event"] == before
    assert second.told["causes"]["ours"] == 40


async def test_a_change_without_an_event_is_unexplained_only_after_the_lag(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)

    def silently(fleet: Any) -> None:
        fleet.drift_sim(FIRST_ISSUED, SUSPENDED)
        fleet.events.pop()

    carrier.change(silently)
    early = await audit()
    late = await audit(event_lag=timedelta(0))

    assert early.causes() == {("sim", str(FIRST_ISSUED)): Cause.AWAITED}
    assert late.causes() == {("sim", str(FIRST_ISSUED)): Cause.UNEXPLAINED}
    assert late.explained["seen"].to_list() == early.explained["seen"].to_list()
    assert (early.counts["drifted"], late.counts["drifted"]) == (1, 1)


async def test_a_change_of_a_device_we_never_managed_is_asked_about_until_there_is_an_answer(
    audit: Auditor, carrier: Emulator
) -> None:
    await audit()
    kept: list[Any] = []

    def late(fleet: Any) -> None:
        fleet.drift_sim(10_000_001, SUSPENDED)
        kept.append(fleet.events.pop())

    carrier.change(late)
    early = await audit()
    carrier.change(lambda fleet: fleet.events.append(kept[0]))
    later = await audit()

    assert early.causes() == {("sim", "10000001"): Cause.AWAITED}
    assert later.causes() == {("sim", "10000001"): Cause.SOMEBODY}


async def test_an_explanation_outlives_the_carriers_memory(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))
    first = await audit()
    carrier.change(lambda fleet: fleet.events.clear())
    second = await audit()

    assert first.causes() == second.causes() == {("sim", str(FIRST_ISSUED)): Cause.SOMEBODY}
    drift = [
        one.findings.filter(pl.col("finding") == "drifted").select("since", "known_from") for one in (first, second)
    ]
    assert drift[0].equals(drift[1])
    assert second.told["trend"]["drifted"] == 0


@pytest.mark.parametrize("error", [CarrierRefused("403"), CarrierUnavailable("503")])
async def test_a_carrier_that_will_not_show_events_stops_nothing(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path, error: Exception
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))
    one = await audit(wrap=partial(TightLipped, error=error))

    assert one.causes() == {("sim", str(FIRST_ISSUED)): Cause.AWAITED}
    assert one.counts["drifted"] == 1
    assert "could not be read" in one.explained["explanation"][0]
    assert one.counts["factory_test"] == 3


class Lacking:
    """A carrier whose interface has neither events nor, where `lists` is false, a listing."""

    def __init__(self, carrier: Carrier, *, lists: bool) -> None:
        self._carrier = carrier
        self.lifecycle = replace(carrier.lifecycle, abilities=frozenset({Ability.LIST_FLEET} if lists else ()))

    async def list_fleet(self) -> Listing:
        return await self._carrier.list_fleet()


async def test_a_carrier_without_events_is_audited_without_them(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))
    one = await audit(wrap=partial(Lacking, lists=True))
    assert one.counts["drifted"] == 1
    assert carrier.stats()["by_route"].get("GET /api/v1/event", 0) == 0


async def test_a_carrier_without_a_listing_is_not_audited_and_the_reason_is_a_sentence(audit: Auditor) -> None:
    with pytest.raises(InputError, match="emnify can't list its whole fleet: its fleet can't be audited; reconcile"):
        await audit(wrap=partial(Lacking, lists=False))


async def test_how_long_a_test_lasts_comes_from_the_ledger_or_from_an_event(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "test.csv", [FIRST_ISSUED]), settings, Target.FACTORY_TEST)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED + 1, TEST))
    one = await audit()

    tests = one.findings.filter(pl.col("finding") == Finding.FACTORY_TEST)
    assert dict(tests.select("sim_id", "known_from").rows()) == {
        str(FIRST_ISSUED): "the ledger",
        str(FIRST_ISSUED + 1): "an event",
        **dict.fromkeys(["10000060", "10000061", "10000062"], "an audit"),
    }

"""docs/compose.yaml: everything it names is there, under the names that the programs read."""

import re
from functools import cache
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prefect.settings import Settings as PrefectSettings

from simtandem.settings import PREFIX, Settings
from tests.source_modules import ROOT

FILE = ROOT / "docs/compose.yaml"
OF_PREFECT_REDIS = {f"PREFECT_REDIS_MESSAGING_{name}" for name in ("HOST", "PORT", "DB")}


@cache
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return read


SERVICES = compose()["services"]


def prefect_names(model: Any = PrefectSettings, prefix: str = "PREFECT_") -> set[str]:
    """The variables that Prefect reads, group by group."""
    names = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if hasattr(kind, "model_fields"):
            names |= prefect_names(kind, kind.model_config.get("env_prefix", f"{prefix}{name}_").upper())
        others = getattr(field.validation_alias, "choices", [])
        names |= {f"{prefix}{name}".upper(), *(each.upper() for each in others if isinstance(each, str))}
    return names


def test_every_variable_is_a_setting() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | prefect_names() | OF_PREFECT_REDIS
    of_images = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}
    of_images |= {"STORE_PASSWORD", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert len(known) > 100
    for service in SERVICES.values():
        assert set(service.get("environment", ())) <= known | of_images


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_needs_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", ())) <= set(SERVICES)
    volumes = [each.partition(":")[0] for each in service.get("volumes", ())]
    assert set(volumes) <= set(compose()["volumes"])
    needed = service.get("depends_on", {})
    for other in needed if isinstance(needed, dict) else ():
        if needed[other]["condition"] == "service_healthy" and other != "prefect":
            assert "healthcheck" in SERVICES[other]  # that of `prefect` is the image's


def test_workers_share_everything_but_their_homes() -> None:
    one, other = SERVICES["worker-1"], SERVICES["worker-2"]
    assert one["environment"] == other["environment"]
    assert one["volumes"] != other["volumes"]


def test_it_holds_no_password() -> None:
    text = FILE.read_text()
    assert not re.search(r"(?i)(password|auth_string)\\w*: *[^\"\\s]", text)
    assert set(re.findall(r"\$\{(\w+)", text)) == {"POSTGRES_PASSWORD", "STORE_PASSWORD", "PREFECT_PASSWORD"}

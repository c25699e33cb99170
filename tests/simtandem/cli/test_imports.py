"""What a command imports: nothing that it does not need, so that it starts at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simtandem.emulator.numbering import FIRST_SIM_ID
from simtandem.emulator.server import Emulator, Group

_HEAVY = {"alembic", "jinja2", "pandera", "polars", "prefect", "psycopg", "sqlalchemy", "httpx", "rich", "pydantic"}
_LIST = "import json, sys; {}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"

_PLAN = "app._run()"
_PRINT = "print(json.dumps(sorted(sys.modules)))"


def imported_by(statement: str) -> set[str]:
    """The heavy packages that are there after this statement, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _LIST.format(statement)], capture_output=True, text=True, check=True)
    return _HEAVY & set(json.loads(done.stdout))


def test_help_and_version_import_no_command() -> None:
    assert imported_by("import simtandem.cli.app") <= {"rich"}


@pytest.mark.parametrize("command", ["plan", "reconcile", "audit", "runs", "compare", "verify", "report", "schedule"])
def test_a_command_that_starts_no_flow_imports_no_prefect_and_no_database_server(command: str) -> None:
    assert imported_by(f"import simtandem.cli.{command}").isdisjoint({"prefect", "psycopg", "alembic"})


def test_a_plan_imports_no_other_carrier_and_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    devices = tmp_path / "devices.csv"
    devices.write_text(f"sim_id\n{FIRST_SIM_ID}\n")
    program = f"import json, sys; from simtandem.cli import app; {_PLAN}; {_PRINT}"
    with Emulator([Group(1)]) as emulator:
        settings = {"HOME": str(tmp_path / "home"), "EMNIFY_URL": emulator.url, "EMNIFY_TOKEN": emulator.token}
        environment = os.environ | {f"SIMTANDEM_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-c", program, "plan", str(devices), "--to", "activated"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "simtandem.carriers.emnify.transport" in modules
    assert modules.isdisjoint({"cryptography", "fsspec", "jinja2", "jwt", "simtandem.carriers.aeris.from_settings"})


def test_apply_imports_prefect_only_when_it_starts_it() -> None:
    assert "prefect" not in imported_by("import simtandem.cli.apply")

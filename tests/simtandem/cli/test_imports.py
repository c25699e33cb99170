"""What a command imports: nothing that it does not need, so that it starts at once."""

import json
import subprocess
import sys

import pytest

_HEAVY = {"alembic", "jinja2", "pandera", "polars", "prefect", "psycopg", "sqlalchemy", "httpx", "rich", "pydantic"}
_LIST = "import json, sys; {}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"


def imported_by(statement: str) -> set[str]:
    """The heavy packages that are there after this statement, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _LIST.format(statement)], capture_output=True, text=True, check=True)
    return _HEAVY & set(json.loads(done.stdout))


def test_help_and_version_import_no_command() -> None:
    assert imported_by("import simtandem.cli.app") <= {"rich"}


@pytest.mark.parametrize("command", ["plan", "reconcile", "audit", "runs", "compare", "verify", "report", "schedule"])
def test_a_command_that_starts_no_flow_imports_no_prefect_and_no_database_server(command: str) -> None:
    assert imported_by(f"import simtandem.cli.{command}").isdisjoint({"prefect", "psycopg", "alembic"})


def test_apply_imports_prefect_only_when_it_starts_it() -> None:
    assert "prefect" not in imported_by("import simtandem.cli.apply")

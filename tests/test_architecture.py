"""The rules of the house about imports: who imports what, where the world is touched, what happens at import.

Every rule is shown, on a few lines made up for it, to be able to fail.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from tests.source_modules import OURS, ROOMS, ROOT, Module, Rule, is_in, read

MAY_IMPORT = {
    "flows": {"flows", "tasks", "schemas"},
    "tasks": {"tasks", "simtandem", "schemas"},
    "simtandem": {"simtandem", "schemas"},
    "schemas": {"schemas"},
}
STARTS_FLOWS = "simtandem/prefect_server/flow_start.py"


def imports_against_the_direction(module: Module) -> list[str]:
    """Flows → tasks → simtandem → schemas; flows and tasks may import schemas; flows never reach past tasks."""
    allowed = MAY_IMPORT[module.room] | ({"flows"} if module.path == STARTS_FLOWS else set())
    return module.imports_from(*({*ROOMS, "tests", "bench", "dependencies"} - allowed))


AT_HOME = {
    "prefect": ("flows/", "tasks/", STARTS_FLOWS, "simtandem/prefect_server/"),  # the last starts and serves flows, too
    "httpx": ("simtandem/carriers/",),
    "pandera": ("schemas/",),
    "sqlalchemy": ("simtandem/ledger/",),
    "alembic": ("simtandem/ledger/",),
    "psycopg": ("simtandem/ledger/",),
    "lark": ("simtandem/selection/",),
}


def libraries_away_from_home(module: Module) -> list[str]:
    """Each library is known in one room."""
    return [
        name
        for library, places in AT_HOME.items()
        if not is_in(module, *places)
        for name in module.imports_from(library)
    ]


def environment_outside_settings(module: Module) -> list[str]:
    """Only `simtandem/settings/environment.py` reads or writes the environment."""
    if module.path == "simtandem/settings/environment.py":
        return []
    words = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    used = [
        ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute) and node.attr in words
    ]
    return used + [name for name in module.imports_from("os") if name.split(".")[-1] in words]


def emulator_and_carriers_know_each_other(module: Module) -> list[str]:
    """A client's mistake must not be mirrored by the server it is tested against."""
    if module.path.startswith("simtandem/emulator/"):
        ours = module.imports_from(*ROOMS)
        return [name for name in ours if not re.match(r"schemas\b|simtandem\.emulator\b|simtandem$", name)]
    if module.path.startswith("simtandem/carriers/"):
        return [name for name in module.imports() if name.startswith("simtandem.emulator")]
    return []


PURE = {module.path for folder in ("simtandem/domain", "simtandem/intake") for module in read(folder)}
IMPURE = {
    "time",
    "random",
    "secrets",
    "uuid",
    "socket",
    "ssl",
    "http",
    "urllib",
    "httpx",
    "asyncio",
    "threading",
    "subprocess",
}
IMPURE_CALLS = {"now", "utcnow", "today"}


def is_pure(module: Module) -> bool:
    """A module is pure if the rules say so, or if it says so of itself."""
    says = re.search(r"(?<!\w)Pure[.;]", (ast.get_docstring(module.tree) or "").split("\n\n")[0])
    return module.path in PURE or (module.room == "simtandem" and says is not None)


def clock_network_or_chance_in_pure_modules(module: Module) -> list[str]:
    """Polars in, polars out; no clock, network, randomness."""
    if not is_pure(module):
        return []
    calls = [
        ast.unparse(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_CALLS
    ]
    return module.imports_from(*IMPURE) + calls


BELOW = ("errors", "settings", "progress", "text", "host")
RECORD = ("ledger", "carriers", "intake", "selection", "domain", *BELOW)
MAY_IMPORT_FOLDER: dict[str, tuple[str, ...]] = {
    "cli": ("rehearsal", "prefect_server", "inbox", "runs", "reports", "emulator", *RECORD),
    "rehearsal": ("runs", "reports", "emulator", *RECORD),
    "prefect_server": ("inbox", "runs", "reports", *RECORD),
    "inbox": ("runs", "reports", *RECORD),
    "runs": ("reports", *RECORD),
    "reports": RECORD,
    "ledger": ("carriers", "domain", *BELOW),
    "carriers": ("selection", "domain", *BELOW),
    "intake": ("domain", *BELOW),
    "selection": ("domain", "errors", "text"),
    "domain": ("errors", "text"),
    "host": ("errors", "settings", "text"),
    "settings": ("errors", "text"),
    "progress": ("text",),
    "errors": ("text",),
    "text": (),
    "emulator": (),
}


def imports_against_the_order_of_folders(module: Module) -> list[str]:
    """Inside simtandem a folder imports only from folders below it."""
    if module.room != "simtandem" or module.path == "simtandem/__init__.py":
        return []
    own = module.path.removesuffix(".py").split("/")[1]
    allowed = {own, "__version__", *MAY_IMPORT_FOLDER.get(own, ())}
    imported = (name.split(".")[1] for name in module.imports_from("simtandem") if "." in name)
    return sorted({f"simtandem.{folder}" for folder in imported} - {f"simtandem.{folder}" for folder in allowed})


LIFECYCLES = (EMNIFY, AERADMIN, IOT_ACCELERATOR)
_STATUSES = "|".join(re.escape(one.name) for each in LIFECYCLES for one in (*each.sims, *each.endpoints))
SPELLS_STATUSES = (
    *("simtandem/carriers/", "simtandem/emulator/"),  # adapters and their doubles
    "simtandem/ledger/migrations/",  # as they were
    "simtandem/cli/demo.py",  # what the emulator holds
    *("schemas/statuses.py", "schemas/event_types.py"),  # emnify's, for its adapter and its emulator
)


def statuses_outside_adapters(module: Module) -> list[str]:
    """No status word of a carrier stands outside its adapter: everything else asks the lifecycle."""
    if is_in(module, *SPELLS_STATUSES):
        return []
    nodes = [*ast.walk(module.tree)]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = (node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings)
    words = rf"(?<![\w.])({_STATUSES})(?!\w)"
    spelled = [text for text in constants if isinstance(text, str) and re.search(words, text)]
    tables = r"statuses\.(SimStatus|EndpointStatus)$|\.lifecycle\.[A-Z_]+$"  # one carrier's rules are not all carriers'
    return spelled + [name for name in module.imports() if re.search(tables, name)]


RULES: list[Rule] = [
    imports_against_the_direction,
    imports_against_the_order_of_folders,
    libraries_away_from_home,
    environment_outside_settings,
    emulator_and_carriers_know_each_other,
    clock_network_or_chance_in_pure_modules,
    statuses_outside_adapters,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds_everywhere(rule: Rule) -> None:
    assert [f"{module.path}: {breach}" for module in OURS for breach in rule(module)] == []


BREACHES: list[tuple[Rule, str, str]] = [
    (statuses_outside_adapters, "simtandem/domain/a.py", "x = 'Activated'"),
    (statuses_outside_adapters, "simtandem/reports/a.py", "x = f'{n} SIMs in Factory Test'"),
    (statuses_outside_adapters, "tasks/a.py", "x = 'Active-billed SIMs'"),
    (statuses_outside_adapters, "simtandem/ledger/a.py", "from simtandem.carriers.emnify.lifecycle import EMNIFY"),
    (statuses_outside_adapters, "simtandem/runs/a.py", "from schemas.statuses import Half, SimStatus"),
    (imports_against_the_direction, "flows/a.py", "from simtandem.domain.plan import make_plan"),
    (imports_against_the_direction, "flows/a.py", "def f():\n    import simtandem"),
    (imports_against_the_direction, "tasks/a.py", "from flows.bulk_update import bulk_update"),
    (imports_against_the_direction, "simtandem/a.py", "import tasks.session"),
    (imports_against_the_direction, "simtandem/a.py", "from flows import bulk_update"),
    (imports_against_the_direction, "simtandem/runs/a.py", "from tests.model import fleet"),
    (imports_against_the_direction, "simtandem/prefect_server/flow_start.py", "from tasks.session import Session"),
    (imports_against_the_direction, "schemas/a.py", "if TYPE_CHECKING:\n    from simtandem.errors import InputError"),
    (imports_against_the_direction, "simtandem/a.py", "import importlib\nimportlib.import_module('flows.bulk_update')"),
    (imports_against_the_order_of_folders, "simtandem/domain/a.py", "from simtandem.runs.run import Run"),
    (imports_against_the_order_of_folders, "simtandem/domain/a.py", "from simtandem import settings"),
    (
        imports_against_the_order_of_folders,
        "simtandem/ledger/a.py",
        "def f():\n    import simtandem.reports.run_charts",
    ),
    (imports_against_the_order_of_folders, "simtandem/runs/a.py", "from simtandem.cli.console import show"),
    (imports_against_the_order_of_folders, "simtandem/new/a.py", "from simtandem.errors import InputError"),
    (libraries_away_from_home, "simtandem/a.py", "def f():\n    import prefect"),
    (libraries_away_from_home, "simtandem/a.py", "from prefect.states import Completed"),
    (libraries_away_from_home, "simtandem/runs/a.py", "import httpx"),
    (libraries_away_from_home, "simtandem/emulator/a.py", "import httpx"),
    (libraries_away_from_home, "simtandem/domain/plan.py", "import pandera.polars as pa"),
    (libraries_away_from_home, "simtandem/carriers/a.py", "from sqlalchemy import select"),
    (libraries_away_from_home, "tasks/a.py", "import alembic"),
    (environment_outside_settings, "simtandem/a.py", "import os\nhome = os.environ['HOME']"),
    (environment_outside_settings, "tasks/a.py", "from os import environ"),
    (environment_outside_settings, "schemas/a.py", "import os as system\nsystem.getenv('HOME')"),
    (
        emulator_and_carriers_know_each_other,
        "simtandem/emulator/a.py",
        "from simtandem.carriers.emnify import lifecycle",
    ),
    (emulator_and_carriers_know_each_other, "simtandem/emulator/a.py", "from simtandem.domain import plan"),
    (emulator_and_carriers_know_each_other, "simtandem/emulator/a.py", "from ..carriers import protocol"),
    (emulator_and_carriers_know_each_other, "simtandem/carriers/a.py", "from simtandem import emulator"),
    (clock_network_or_chance_in_pure_modules, "simtandem/domain/plan.py", "import time"),
    (clock_network_or_chance_in_pure_modules, "simtandem/domain/safety.py", "import datetime as d\nx = d.now()"),
    (clock_network_or_chance_in_pure_modules, "simtandem/domain/batches.py", "from random import shuffle"),
    (clock_network_or_chance_in_pure_modules, "simtandem/intake/device_list.py", "import urllib.request"),
    (clock_network_or_chance_in_pure_modules, "simtandem/domain/verdicts.py", "def f():\n    import asyncio"),
    (clock_network_or_chance_in_pure_modules, "simtandem/new.py", '"""Counts things. Pure."""\nimport secrets'),
]


@pytest.mark.parametrize(("rule", "path", "source"), BREACHES)
def test_each_rule_can_fail(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source)) != []


NO_BREACHES: list[tuple[Rule, str, str]] = [
    (statuses_outside_adapters, "simtandem/carriers/aeris/a.py", "x = 'Suspended'"),
    (statuses_outside_adapters, "simtandem/domain/a.py", '"""An Activated SIM."""\nx = \'activated\''),
    (
        imports_against_the_direction,
        "flows/a.py",
        "from tasks.session import Session\nfrom schemas.parameters import BulkUpdate",
    ),
    (
        imports_against_the_direction,
        "simtandem/prefect_server/flow_start.py",
        "from flows.bulk_update import bulk_update",
    ),
    (libraries_away_from_home, "simtandem/carriers/emnify/a.py", "import httpx"),
    (
        emulator_and_carriers_know_each_other,
        "simtandem/emulator/a.py",
        "from . import world\nfrom schemas.statuses import Half",
    ),
    (clock_network_or_chance_in_pure_modules, "simtandem/domain/plan.py", "from datetime import datetime, timedelta"),
    (clock_network_or_chance_in_pure_modules, "simtandem/carriers/a.py", "import time"),
]


@pytest.mark.parametrize(("rule", "path", "source"), NO_BREACHES)
def test_no_rule_forbids_what_is_allowed(rule: Rule, path: str, source: str) -> None:
    assert rule(Module(path, source)) == []


def test_the_rules_look_at_the_modules_there_are() -> None:
    paths = {module.path for module in OURS}
    assert {"flows/bulk_update.py", "tasks/patch.py", STARTS_FLOWS, "schemas/tables.py"} <= paths
    assert paths >= PURE
    assert sum(is_pure(module) for module in OURS) > len(PURE), "modules that call themselves pure are found"
    assert all(any(path.startswith(place) for path in paths) for places in AT_HOME.values() for place in places)


# _RJEM_…: polars tells its allocator.
_IMPORT_ALL = """
import importlib, json, logging, os, socket, sys, threading

asked = []
class Watched(dict):
    def __getitem__(self, name): asked.append(name); return super().__getitem__(name)
    def get(self, name, default=None): asked.append(name); return super().get(name, default)
    def __contains__(self, name): asked.append(name); return super().__contains__(name)
    def items(self): asked.append("(all of it)"); return super().items()
def refuse(*_): raise OSError("no connections at import")

before = dict(os.environ)
socket.socket.connect = refuse
os.environ = Watched(os.environ)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps({
    "asked": [name for name in asked if "SIMTANDEM" in name.upper()],
    "changed": sorted({name for name, _ in os.environ.items() ^ before.items() if not name.startswith("_RJEM_")}),
    "handlers": [str(handler) for handler in logging.getLogger("simtandem").handlers],
    "threads": [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
    "prefect": "prefect" in sys.modules,
}))
"""


def import_all(names: list[str], folder: Path) -> dict[str, object]:
    """Import these in a process with an empty environment and an empty home; what it saw of itself afterwards."""
    variables = {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", _IMPORT_ALL, json.dumps(names)]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told: dict[str, object] = json.loads(done.stdout)
    return told


def importable() -> list[str]:
    """Every module but those that a tool runs, not imports."""
    return [module.dotted for module in OURS if "/migrations/" not in module.path]


def test_nothing_happens_at_import(tmp_path: Path) -> None:
    core = [name for name in importable() if name.startswith(("simtandem", "schemas"))]
    core = [name for name in core if not name.startswith("simtandem.prefect_server")]
    told = import_all(core, tmp_path)
    assert told == {"asked": [], "changed": [], "handlers": [], "threads": [], "prefect": False}
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_ours_happens_when_flows_and_tasks_are_imported(tmp_path: Path) -> None:
    told = import_all([name for name in importable() if name.startswith(("flows", "tasks", "simtandem.op"))], tmp_path)
    assert (told["asked"], told["handlers"]) == ([], [])
    assert [path.name for path in tmp_path.iterdir() if "prefect" not in path.name] == []


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import os\nos.environ.get('SIMTANDEM_HOME')", "asked"),
        ("import os\nos.environ['NEW'] = '1'", "changed"),
        ("import logging\nlogging.getLogger('simtandem').addHandler(logging.NullHandler())", "handlers"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(5,), daemon=True).start()", "threads"),
        ("import prefect.exceptions", "prefect"),
    ],
)
def test_what_happens_at_import_is_seen(tmp_path: Path, source: str, seen: str) -> None:
    (tmp_path / "restless.py").write_text(source)
    assert import_all(["restless"], tmp_path)[seen]

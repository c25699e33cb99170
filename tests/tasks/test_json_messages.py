"""A flow run that a worker starts is a process of its own, which no command has told how to write its messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import logging
from tasks.run_settings import write_json_where_asked
write_json_where_asked()
write_json_where_asked()
logging.getLogger("simtandem.runs").info("batch %s sent", 3)
"""


def test_a_flow_run_writes_json_where_the_worker_is_to(tmp_path: Path) -> None:
    for wanted in ("json", "text"):
        own = {
            "SIMTANDEM_HOME": str(tmp_path),
            "SIMTANDEM_LOG_FORMAT": wanted,
            "PREFECT_HOME": str(tmp_path / "prefect"),
        }
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM], env={**os.environ, **own}, capture_output=True, text=True, check=True
        )
        lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        assert [each["message"] for each in lines] == (["batch 3 sent"] if wanted == "json" else [])

"""The measurements still run: a little of each that needs no server of Prefect's."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_measurements_end_with_every_device_where_it_should_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--small", "intake", "planning", "listing", "audit"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("SIMTANDEM_", "PREFECT_"))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for measured in ("intake", "planning", "listing", "audit"):
        assert f"python -m bench {measured}" in done.stdout

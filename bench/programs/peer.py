"""What people do today, without the pauses: `python -m bench.programs.peer URL TOKEN FILE`.

One PATCH for each SIM of the file, then one for each endpoint, one after another on one kept connection. No listing, no
check, no record, no second look. FILE is a CSV with the columns sim_id and endpoint_id.
"""

import csv
import json
import sys
from pathlib import Path

import httpx

_ACTIVATED = {"status": {"id": 1}}
_ENABLED = {"status": {"id": 0}}


def main(url: str, token: str, file: Path) -> None:
    """Activate the devices; print how many PATCHes it took. Any answer but success ends it."""
    with file.open(newline="") as lines:
        devices = list(csv.DictReader(lines))
    with httpx.Client(base_url=url, timeout=30) as http:
        login = http.post("/api/v1/authenticate", json={"application_token": token}).raise_for_status()
        http.headers["Authorization"] = f"Bearer {login.json()['auth_token']}"
        for device in devices:
            http.patch(f"/api/v1/sim/{device['sim_id']}", json=_ACTIVATED).raise_for_status()
        for device in devices:
            http.patch(f"/api/v1/endpoint/{device['endpoint_id']}", json=_ENABLED).raise_for_status()
    print(json.dumps({"patches": 2 * len(devices)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

"""One Prefect task per step of a run: its name, its retries, and one call into `simtandem`."""

"""Running simtandem day and night: a Prefect server, its deployments and automations, a worker."""

"""What an operator runs: one Prefect flow per file, reading like a checklist."""

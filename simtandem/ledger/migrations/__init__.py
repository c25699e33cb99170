"""How the ledger's tables came to be, one Alembic revision a module. See `env.py` for adding one."""

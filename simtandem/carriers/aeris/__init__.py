"""Aeris: two platforms that have nothing in common but the name, so two adapters."""

"""Selecting devices by an expression: its grammar, the fields of a carrier it may name, and what it is in polars."""

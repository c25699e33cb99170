"""Runs without Prefect, as the tests of `simtandem.runs` make them."""

from tests.simtandem.runs.conftest import begun, home, hooks, make_run

__all__ = ["begun", "home", "hooks", "make_run"]

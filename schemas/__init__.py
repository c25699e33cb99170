"""The shapes: tables that pass between steps, status words, run parameters. Imports nothing of simtandem."""

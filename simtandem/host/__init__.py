"""This machine: the home folder, locks, processes, files that are never half written."""

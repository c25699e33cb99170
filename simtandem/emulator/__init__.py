"""A stateful stand-in for the emnify API on a loopback port, written from the carrier's documents alone."""

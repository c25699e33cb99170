"""A stateful emulator of the emnify API on a loopback port, written from the carrier's documents alone."""

"""The rules: polars in, polars out; no clock, network, files or randomness."""

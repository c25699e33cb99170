"""Whether the record is intact: its chain of hashes, its proof, archives and pruning."""

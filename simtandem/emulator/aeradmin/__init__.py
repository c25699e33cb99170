"""A local stand-in for AerAdmin 5, the interface of Aeris's own platform (AerPort)."""

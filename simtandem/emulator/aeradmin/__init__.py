"""A local emulator of AerAdmin 5, the interface of Aeris's own platform (AerPort)."""

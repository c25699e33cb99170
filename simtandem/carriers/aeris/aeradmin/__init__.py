"""AerAdmin 5, the interface of Aeris's own platform (AerPort): one call to a typed answer."""

"""The emnify adapter; white-label carriers that serve the same API under their own host use it too."""

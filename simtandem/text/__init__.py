"""Text that people read: escaped per medium, redacted, formatted."""

"""The IoT Accelerator: one call to a typed answer."""

"""A local stand-in for the IoT Accelerator, the platform that Aeris took over from Ericsson."""

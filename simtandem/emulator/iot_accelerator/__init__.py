"""A local emulator of the IoT Accelerator, the platform that Aeris took over from Ericsson."""

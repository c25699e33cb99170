"""Trying a plan on an emulated carrier that holds the listed devices, before it is sent to the real one."""

"""Reads a device CSV as it really comes: says which devices are to change, and why each other row won't do."""

from simtandem.intake.cells import parse_target
from simtandem.intake.device_file import Bounds
from simtandem.intake.device_list import Intake, read_devices, read_schedule

__all__ = ["Bounds", "Intake", "parse_target", "read_devices", "read_schedule"]

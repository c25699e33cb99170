"""Reads a device CSV: the devices to change, and for every other row why it is invalid."""

from simtandem.intake.cells import parse_target
from simtandem.intake.device_file import Bounds
from simtandem.intake.device_list import Intake, read_devices, read_schedule

__all__ = ["Bounds", "Intake", "parse_target", "read_devices", "read_schedule"]

"""Reads a device list, CSV or Excel: the devices to change, and for every other row why it is invalid."""

from simtandem.intake.cells import parse_target
from simtandem.intake.device_file import Bounds, Reading
from simtandem.intake.device_list import Intake, read_devices, read_lists, read_schedule, repeat_notes
from simtandem.intake.list_parts import ListFile

__all__ = [
    "Bounds",
    "Intake",
    "ListFile",
    "Reading",
    "parse_target",
    "read_devices",
    "read_lists",
    "read_schedule",
    "repeat_notes",
]

"""Power cuts without cutting the power: layers under files that know what a disk would have forgotten."""

from cityloop.storage.powercut.disk import CutDisk
from cityloop.storage.powercut.model import Volatile
from cityloop.storage.powercut.sqlite import CutFiles

__all__ = ["CutDisk", "CutFiles", "Volatile"]

"""The one exception tree of cityloop.

CityloopError
├── InputError          bad input at an edge: a file, a key, a message
│   ├── LayoutError     a network or asset table that cannot be used
│   └── ConfigError     a configuration that cannot be used
├── CityError           a city (twin, field, recording) that stopped answering
├── StoreError          a run folder or log that cannot be read or written
└── InvariantError      a broken promise of our own; the shard stops
"""

from __future__ import annotations

__all__ = [
    "CityError",
    "CityloopError",
    "ConfigError",
    "InputError",
    "InvariantError",
    "LayoutError",
    "StoreError",
]


class CityloopError(Exception):
    """Anything cityloop reports to its user as one line."""


class InputError(CityloopError):
    """Bad input: the message names the file, the element, the value and the fix."""


class LayoutError(InputError):
    """A network or asset table that cannot be used."""


class ConfigError(InputError):
    """A configuration that cannot be used."""


class CityError(CityloopError):
    """A city that stopped answering."""


class StoreError(CityloopError):
    """A run folder or log that cannot be read or written."""


class InvariantError(CityloopError):
    """A broken promise of our own."""

"""The command that makes a fleet speak."""

from __future__ import annotations

from cityloop.cli.simulate_sensors import command
from cityloop.studies.sensor_ways import WAYS


def test_every_protocol_can_be_chosen():
    """The command names them itself, since reading them would load Arrow for its help; none may be missing."""
    (protocol,) = (option for option in command.params if option.name == "protocol")
    assert list(protocol.type.choices) == list(WAYS)

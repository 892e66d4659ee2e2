"""The SUMO twin as a city: the same three verbs as the street, the simulation in a child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cityloop.cities.sumo.launch import TwinSetup, prepare
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.process import TwinProcess
from cityloop.cities.sumo.twin_wire import LeaseMessage, batch_of, receipts_of
from cityloop.cities.sumo.units import with_units
from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import CityError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command, Receipt

__all__ = ["SumoCity", "TwinObservation", "TwinSetup"]


@dataclass(frozen=True, slots=True)
class TwinObservation:
    """What one ``observe`` of the twin brings back."""

    now_ms: int
    batch: Batch
    receipts: tuple[Receipt, ...]
    ended: bool
    picture: Mapping[str, bytes] = field(default_factory=dict)
    """What a map may show of the simulation's truth, where the setup asks for it."""


class SumoCity:
    """A city simulated by SUMO. Instants are milliseconds since the simulated day's midnight."""

    def __init__(self, setup: TwinSetup, network: Network | None = None) -> None:
        """Read the network (unless it is given), and start the simulation.

        Parameters
        ----------
        setup
            What is run.
        network
            The case's network, read at the same sensing level, to save reading it again.
        """
        case = setup.case
        network = network or read_network(
            case.net_file, sensing=setup.sensing, walking_speed_mps=case.walking_speed_mps
        )
        self.network = with_units(network, case.net_file, setup.units)
        self._name = case.name
        launch = prepare(setup, self.network)
        self.begin_ms, self.end_ms = launch.begin_ms, launch.end_ms
        self._commands: list[LeaseMessage] = []
        self._process = TwinProcess(case.name, launch)
        self._closed = False

    @property
    def cpu_s(self) -> float:
        """Processor time that the simulation's process has used. [s]."""
        return self._process.cpu_s

    @property
    def pid(self) -> int:
        """Process number of the simulation."""
        return self._process.pid

    def layout(self) -> Layout:
        """Return the city's assets."""
        return self.network.layout

    def observe(self, until_ms: int) -> TwinObservation:
        """Let whole steps pass up to ``until_ms`` and return what was sensed."""
        self._refuse_when_closed()
        commands, self._commands = self._commands, []
        seen = self._process.observe(until_ms, commands)
        return TwinObservation(seen.now_ms, batch_of(seen), receipts_of(seen), seen.ended, seen.picture)

    def apply(self, commands: Sequence[Command]) -> None:
        """Hand over leases; they reach the field controllers when time next passes."""
        self._refuse_when_closed()
        self._commands += [LeaseMessage.of(command) for command in commands]

    def close(self) -> None:
        """Let SUMO finish its outputs and end its process. Safe to call twice."""
        self._closed = True
        self._process.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise CityError(f"the SUMO twin of {self._name} is closed; open a new one")

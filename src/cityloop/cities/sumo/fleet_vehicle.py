"""One service vehicle in the simulation: put in, sent to a kerb, stopped there, sent on. Runs in the twin's child.

A vehicle stands off the lane when it stands: in a yard, a bay or on the verge. Ways are found with the travel times of
the moment, as a driver's navigation finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import libsumo

from cityloop.cities.sumo.fleet_assets import Kerb

__all__ = ["ServiceVehicle"]

_FOREVER_S = 1_000_000.0
_PARKING = 1
_NEAR_M = 60.0
"""Who has driven past a kerb on its own edge by less has arrived. [m]"""
_LOST_MS = 5_000


class ServiceVehicle:
    """A vehicle that lives as long as the simulation; owns its name in it."""

    def __init__(self, name: str, kind: str, home: Kerb) -> None:
        self.name = name
        self._kind = kind
        self.target = home
        self._stop_set = False
        self._gone_ms = -1
        self._way: tuple[str, ...] = ()
        self.put_in = 0
        """How often it was put in; more than once when the simulation took it out."""
        self._insert(home)

    def go(self, kerb: Kerb, kind: str, way: Sequence[str] = ()) -> None:
        """Send it to a kerb, from wherever it is, by a way that it was told or else by the fastest."""
        self.target, self._stop_set, self._way = kerb, False, tuple(way)
        if kind != self._kind:
            self._kind = kind
            with suppress(libsumo.TraCIException):
                libsumo.vehicle.setType(self.name, kind)
        self._set_out()

    def halt(self) -> Kerb:
        """Stop it where it is, or as soon as it can; return the kerb."""
        name = self.name
        with suppress(libsumo.TraCIException):
            edge, lane = libsumo.vehicle.getRoadID(name), libsumo.vehicle.getLaneIndex(name)
            if edge and not edge.startswith(":"):
                length_m = libsumo.lane.getLength(f"{edge}_{lane}")
                speed_mps = libsumo.vehicle.getSpeed(name)
                at_m = min(libsumo.vehicle.getLanePosition(name) + 5.0 + speed_mps * speed_mps / 4.0, length_m - 0.1)
                x_m, y_m = libsumo.vehicle.getPosition(name)
                self._forget_stops()
                libsumo.vehicle.setStop(name, edge, at_m, lane, _FOREVER_S, _PARKING)
                self.target = Kerb(edge, lane, at_m, x_m, y_m, -1, length_m)
                self._stop_set = True
        return self.target

    def place(self) -> tuple[float, float] | None:
        """Return where it is; None while it is not on the road."""
        with suppress(libsumo.TraCIException):
            x_m, y_m = libsumo.vehicle.getPosition(self.name)
            # SUMO says a huge negative number of a vehicle that is not there.
            return (x_m, y_m) if x_m > -1e9 else None
        return None

    def arrived(self) -> bool:
        """Tell whether it stands at its kerb."""
        if not self._stop_set:
            return False
        with suppress(libsumo.TraCIException):
            return bool(libsumo.vehicle.isStopped(self.name)) and (
                libsumo.vehicle.getRoadID(self.name) == self.target.edge
            )
        return False

    def step(self, now_ms: int, running: frozenset[str]) -> None:
        """Try again what could not be done before; put it in again where it was taken out."""
        if self.name in running:
            self._gone_ms = -1
            if not self._stop_set:
                self._set_out()
            return
        if self._gone_ms < 0:
            self._gone_ms = now_ms
        elif now_ms - self._gone_ms >= _LOST_MS:
            self._gone_ms = now_ms
            with suppress(libsumo.TraCIException):
                libsumo.vehicle.remove(self.name)
            with suppress(libsumo.TraCIException):
                self._insert(self.target)

    def _insert(self, kerb: Kerb) -> None:
        route = f"{self.name}.{self.put_in}"
        libsumo.route.add(route, [kerb.edge])
        self.put_in += 1
        libsumo.vehicle.add(
            self.name,
            route,
            typeID=self._kind,
            depart="now",
            departLane=str(kerb.lane),
            departPos=f"{max(kerb.at_m - 2.0, 0.5):.2f}",
            departSpeed="0",
        )
        libsumo.vehicle.setStop(self.name, kerb.edge, kerb.at_m, kerb.lane, _FOREVER_S, _PARKING)
        self._stop_set = True

    def _set_out(self) -> None:
        """Find a way and set the stop at its end; what SUMO refuses now is tried again a step later."""
        name, kerb = self.name, self.target
        try:
            here = libsumo.vehicle.getRoadID(name)
            if not here:
                return
            if here == kerb.edge and libsumo.vehicle.getLanePosition(name) > kerb.at_m - 1.0:
                if libsumo.vehicle.getLanePosition(name) - kerb.at_m < _NEAR_M and libsumo.vehicle.isStopped(name):
                    self._stop_set = True
                    return
                self._round_the_block(kerb)
                return
            standing = bool(libsumo.vehicle.isStopped(name))
            self._forget_stops(keep_present=standing)
            if not self._by_its_way(here):
                libsumo.vehicle.changeTarget(name, kerb.edge)
            libsumo.vehicle.setStop(name, kerb.edge, kerb.at_m, kerb.lane, _FOREVER_S, _PARKING)
            if standing:
                libsumo.vehicle.resume(name)
            self._stop_set = True
        except libsumo.TraCIException:
            self._stop_set = False

    def _by_its_way(self, here: str) -> bool:
        """Take the way that it was told, from where it is; tell whether that could be."""
        if here not in self._way or self._way[-1] != self.target.edge:
            return False
        try:
            libsumo.vehicle.setRoute(self.name, list(self._way[self._way.index(here) :]))
        except libsumo.TraCIException:
            return False
        return True

    def _round_the_block(self, kerb: Kerb) -> None:
        """Set out for a kerb that lies behind: drive on, and come back by the next way."""
        name = self.name
        onward = [link[0].rsplit("_", 1)[0] for link in libsumo.lane.getLinks(libsumo.vehicle.getLaneID(name))]
        for edge in onward:
            back = libsumo.simulation.findRoute(edge, kerb.edge, libsumo.vehicle.getTypeID(name)).edges
            if back:
                standing = bool(libsumo.vehicle.isStopped(name))
                self._forget_stops(keep_present=standing)
                libsumo.vehicle.setRoute(name, [kerb.edge, *back])
                # The stop is set once it has left this edge: it would lie behind.
                if standing:
                    libsumo.vehicle.resume(name)
                return

    def _forget_stops(self, *, keep_present: bool = False) -> None:
        name = self.name
        for _ in range(4):
            stops = libsumo.vehicle.getStops(name)
            ahead = stops[1:] if keep_present and stops else stops
            if not ahead:
                return
            libsumo.vehicle.replaceStop(name, 1 if keep_present else 0, "")

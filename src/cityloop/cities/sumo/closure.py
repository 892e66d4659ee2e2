"""A city with a street closed: a copy of its folder in which the edge lets nobody in and the demand goes round it."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import msgspec

from cityloop.cities.sumo.city_toml import CITY_FILE, CityToml, decode_city_toml, encode_city_toml, write_atomically
from cityloop.cities.sumo.closed_demand import STEPS_BACK, Diverted, divert_demand
from cityloop.cities.sumo.detour import UNAFFECTED, roads_of
from cityloop.cities.sumo.folder import copy_case, resolve_city
from cityloop.cities.sumo.netfile import NetFile, read_netfile
from cityloop.kernel.errors import InputError

__all__ = ["ClosedCity", "city_with_closure"]

_FILE = "closed.add.xml"


class ClosedCity(msgspec.Struct, frozen=True, kw_only=True):
    """A city folder with a closure, and what the closure does to its demand."""

    folder: Path
    rerouted_veh: float
    """Vehicles whose planned route is led round the closed edge."""
    cannot_veh: float
    """Vehicles taken out: they depart, end or stop on the closed edge, or have no other way."""
    total_veh: float


def city_with_closure(city: str, edge: str, folder: Path) -> ClosedCity:
    """Write a city folder in which an edge is closed to road traffic from begin to end.

    People on foot, trams and emergency vehicles pass. Drivers with a given route leave it up to six edges
    before, as signs would tell them; trips without a route are led round by the simulator itself.

    Raises
    ------
    InputError
        When the edge is unknown, carries no road traffic, or leaves nobody a way.
    """
    case = resolve_city(city)
    net = read_netfile(case.net_file)
    if edge not in net.edges or edge.startswith(":"):
        raise InputError(f"close_edge: {case.net_file} has no edge {edge!r}")
    roads = roads_of(net)
    if not any(lane.motorised and not lane.rail_only for lane in net.edges[edge].lanes):
        raise InputError(f"close_edge: {edge!r} carries no road traffic; closing it changes nothing")
    folder.mkdir(parents=True)
    # The demand that is driven now: a calibrated city's what-if must not compare with what it was before.
    copy_case(case, folder, as_run=True)
    toml = decode_city_toml(folder / CITY_FILE)
    done = divert_demand(
        [folder / name for name in toml.routes],
        [folder / name for name in toml.additional],
        roads,
        edge,
        case.end_s,
    )
    _close(folder, net, edge, toml, done, (case.begin_s, case.end_s))
    return ClosedCity(
        folder=folder,
        rerouted_veh=round(done.rerouted_veh, 1),
        cannot_veh=round(done.cannot_veh, 1),
        total_veh=round(done.total_veh, 1),
    )


def _close(folder: Path, net: NetFile, edge: str, toml: CityToml, done: Diverted, span_s: tuple[float, float]) -> None:
    """Write the rerouter that keeps everybody else out, and tell the trips that find their own way."""
    into: dict[str, set[str]] = {}
    for connection in net.connections:
        if not connection.from_edge.startswith(":"):
            into.setdefault(connection.to_edge, set()).add(connection.from_edge)
    told, newest = {edge}, {edge}
    for _ in range(STEPS_BACK):
        newest = {before for one in newest for before in into.get(one, ())} - told
        told |= newest
    signs = sorted((told | done.entries) - {edge}) or [edge]
    (folder / _FILE).write_text(
        f'<additional>\n<rerouter id="closed" edges={quoteattr(" ".join(signs))}>\n'
        f'<interval begin="{span_s[0]:g}" end="{span_s[1]:g}">'
        f"<closingReroute id={quoteattr(edge)} allow={quoteattr(' '.join(sorted(UNAFFECTED)))}/></interval>"
        "\n</rerouter>\n</additional>\n",
        encoding="utf-8",
    )
    changed = msgspec.structs.replace(toml, additional=(*toml.additional, _FILE))
    write_atomically(folder / CITY_FILE, encode_city_toml(changed))

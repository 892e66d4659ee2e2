"""A city with a street closed: a copy of its folder, and a rerouter that takes the edge out of every route."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import msgspec

from cityloop.cities.sumo.city_toml import CITY_FILE, decode_city_toml, encode_city_toml, write_atomically
from cityloop.cities.sumo.folder import copy_case, resolve_city
from cityloop.cities.sumo.netfile import read_netfile
from cityloop.kernel.errors import InputError

__all__ = ["city_with_closure"]

_FILE = "closed.add.xml"
_STEPS_BACK = 6


def city_with_closure(city: str, edge: str, folder: Path) -> Path:
    """Write a city folder in which an edge is closed from begin to end, and return it.

    Drivers learn of it up to six edges before, as they would from signs, and when they depart.
    """
    case = resolve_city(city)
    net = read_netfile(case.net_file)
    if edge not in net.edges:
        raise InputError(f"close_edge: {case.net_file} has no edge {edge!r}")
    folder.mkdir(parents=True)
    copy_case(case, folder)
    into: dict[str, set[str]] = {}
    for connection in net.connections:
        into.setdefault(connection.to_edge, set()).add(connection.from_edge)
    told, newest = {edge}, {edge}
    for _ in range(_STEPS_BACK):
        newest = {before for one in newest for before in into.get(one, ()) if not before.startswith(":")} - told
        told |= newest
    signs = sorted(told - {edge})
    if not signs:
        raise InputError(f"close_edge: nothing leads into {edge!r}; closing it changes nothing")
    (folder / _FILE).write_text(
        f'<additional>\n<rerouter id="closed" edges={quoteattr(" ".join(signs))}>\n'
        f'<interval begin="{case.begin_s:g}" end="{case.end_s:g}">'
        f'<closingReroute id={quoteattr(edge)} allow="emergency authority"/></interval>'
        "\n</rerouter>\n</additional>\n",
        encoding="utf-8",
    )
    toml = decode_city_toml(folder / CITY_FILE)
    changed = msgspec.structs.replace(toml, additional=(*toml.additional, _FILE))
    write_atomically(folder / CITY_FILE, encode_city_toml(changed))
    return folder

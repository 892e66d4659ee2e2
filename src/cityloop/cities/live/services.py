"""What a city document says of ambulances and refuse trucks, checked before anybody decides by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cityloop.domains.emergency.schema import DOMAIN as EMERGENCY
from cityloop.domains.emergency.schema import HOSPITALS, SiteKind
from cityloop.domains.refuse.schema import DOMAIN as REFUSE
from cityloop.kernel.columns import row_count
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout, StreamKind, UnitKind

__all__ = ["check_services"]

_UNIT_KINDS = (StreamKind.UNIT_STATUS, StreamKind.UNIT_CALL, StreamKind.UNIT_SITE)
_TRUCK_KINDS = (StreamKind.TRUCK_STATUS, StreamKind.TRUCK_LOAD_KG, StreamKind.TRUCK_NEXT)
_AVL_KINDS = tuple(kind for kind in StreamKind if StreamKind.UNIT_X_M <= kind <= StreamKind.UNIT_EDGE_M)
_CALL_KINDS = tuple(kind for kind in StreamKind if StreamKind.CALL_COUNT <= kind <= StreamKind.CALL_STATUS)
_HOSPITAL_KINDS = (StreamKind.HOSPITAL_OPEN, StreamKind.HOSPITAL_DIVERTING)
_PLAN_KINDS = (StreamKind.PLAN_VISIT, StreamKind.PLAN_IN_S)
_CONTAINER_KINDS = (StreamKind.COLLECTED_FRAC, StreamKind.PLAN_MOVED, StreamKind.PLAN_LEFT_OUT)


def check_services(layout: Layout, where: str) -> None:
    """Refuse services whose tables, names and streams do not belong together.

    Raises
    ------
    LayoutError
        Naming the file, the table and what is wrong with it.
    """
    tables, names = layout.tables, layout.names
    emergency, refuse = tables.get(EMERGENCY), tables.get(REFUSE)
    if emergency is None and refuse is None:
        return
    for table in ("units", "passages"):
        if table not in tables:
            raise LayoutError(f"{where}: {table}: the table is missing; a city with ambulances or trucks needs it")
    kinds = tables["units"].kind
    ambulances = 0 if emergency is None else row_count(emergency.units)
    trucks = 0 if refuse is None else row_count(refuse.trucks)
    expected = [UnitKind.AMBULANCE] * ambulances + [UnitKind.REFUSE_TRUCK] * trucks
    if kinds.tolist() != expected:
        raise LayoutError(
            f"{where}: units.kind: must be {ambulances} ambulances ({int(UnitKind.AMBULANCE)}), one a row of "
            f"emergency.units, then {trucks} trucks ({int(UnitKind.REFUSE_TRUCK)}), one a row of refuse.trucks"
        )
    wanted = {"units": ambulances + trucks}
    if emergency is not None:
        wanted["sites"] = row_count(emergency.sites)
    if refuse is not None:
        wanted |= {"trucks": trucks, "containers": row_count(refuse.containers)}
    for table, rows in wanted.items():
        if len(names.get(table, ())) != rows:
            raise LayoutError(f"{where}: names.{table} has {len(names.get(table, ()))} entries, must have {rows}")
    if emergency is not None and not names.get("determinants"):
        raise LayoutError(f"{where}: names.determinants: give the words that calls are triaged by, one a priority")
    for path, rows, bound in _references(layout, emergency):
        wrong = np.flatnonzero((rows < 0) | (rows >= bound))
        if len(wrong):
            raise LayoutError(f"{where}: {path}, row {wrong[0]}: {rows[wrong[0]]}, must be 0 to {bound - 1}")
    if refuse is not None:
        places = wanted["containers"] + 2
        for column in ("metres", "seconds"):
            shape = getattr(refuse, column).shape
            if shape != (places, places):
                raise LayoutError(
                    f"{where}: refuse.{column}: {' by '.join(map(str, shape))}, must be {places} by {places}: "
                    "the depot, the tip, then the containers"
                )
    _check_hospitals(layout, where, ambulances)
    _check_streams(layout, where, ambulances, trucks, wanted.get("containers", 0))


def _references(layout: Layout, emergency: Any) -> Iterator[tuple[str, Any, int]]:
    """Yield each column that holds rows of another table, and that table's length."""
    edges = len(layout.edges.length_m)
    passages = layout.tables["passages"]
    yield "passages.from_edge", passages.from_edge, edges
    yield "passages.to_edge", passages.to_edge, edges
    if emergency is not None:
        yield "emergency.units.home", emergency.units.home, row_count(emergency.sites)
        yield "emergency.sites.edge", emergency.sites.edge, edges
        yield "emergency.zones.edge", emergency.zones.edge, edges


def _check_hospitals(layout: Layout, where: str, ambulances: int) -> None:
    """Refuse hospitals that tell of their doors but are none, and those without the streams that they are heard by."""
    hospitals, emergency = layout.tables.get(HOSPITALS), layout.tables.get(EMERGENCY)
    if hospitals is None:
        return
    kinds = np.empty(0, np.int32) if emergency is None else emergency.sites.kind
    for row, site in enumerate(hospitals.site.tolist()):
        if not 0 <= site < len(kinds) or kinds[site] != SiteKind.HOSPITAL:
            raise LayoutError(
                f"{where}: hospitals.site, row {row}: {site} is no hospital; "
                f"give a row of emergency.sites whose kind is {int(SiteKind.HOSPITAL)}"
            )
    there = set(zip(layout.streams.kind.tolist(), layout.streams.asset.tolist(), strict=True))
    wanted = [(kind, site) for site in hospitals.site.tolist() for kind in _HOSPITAL_KINDS]
    wanted += [(StreamKind.UNIT_NEEDS, unit) for unit in range(ambulances)]
    for kind, asset in wanted:
        if (int(kind), asset) not in there:
            raise LayoutError(
                f"{where}: streams: none of kind {int(kind)} ({kind.name.lower()}) and asset {asset}; add it"
            )


def _check_streams(layout: Layout, where: str, ambulances: int, trucks: int, containers: int) -> None:
    """Refuse a service without the streams that it is heard by."""
    there = set(zip(layout.streams.kind.tolist(), layout.streams.asset.tolist(), strict=True))
    wanted = [(kind, unit) for unit in range(ambulances + trucks) for kind in _AVL_KINDS]
    wanted += [(kind, unit) for unit in range(ambulances) for kind in _UNIT_KINDS]
    wanted += [(kind, 0) for kind in _CALL_KINDS if ambulances]
    wanted += [(kind, truck) for truck in range(trucks) for kind in (*_TRUCK_KINDS, *_PLAN_KINDS)]
    wanted += [(kind, 0) for kind in (StreamKind.ROUND_OPEN, StreamKind.PLAN_VERSION) if trucks]
    wanted += [(kind, container) for container in range(containers) for kind in _CONTAINER_KINDS]
    missing = next((one for one in wanted if (int(one[0]), one[1]) not in there), None)
    if missing is not None:
        kind, asset = missing
        raise LayoutError(f"{where}: streams: none of kind {int(kind)} ({kind.name.lower()}) and asset {asset}; add it")

"""A city folder of the JEMSS simulator, as shipped: roads zipped or not, sites, ambulances, call settings.

The folder's own clock counts days, its distances kilometres. Ridler, Mason, Raith (2022), A simulation and optimisation
package for emergency medical services, EJOR 298(3), 1101-1113, doi:10.1016/j.ejor.2021.07.038.
"""

from __future__ import annotations

import ast
import csv
import io
import math
import operator
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from cityloop.cities.events.case import CallModel, Distribution, EmergencyCase, Family, Roads, Sites, snap
from cityloop.cities.events.raster import read_raster
from cityloop.kernel.columns import F64
from cityloop.kernel.errors import LayoutError
from cityloop.methods.routing import LEAST_ARC_MS, RoadGraph

__all__ = ["is_jemss", "read_jemss"]

DAY_S = 86_400.0
LARGEST_RATE_PER_DAY = 1e6
EARTH_M = 6_371_008.8
"""Mean radius of the Earth (IUGG)."""

Table = list[dict[str, str]]


def is_jemss(folder: Path) -> bool:
    """Tell whether a folder looks like a JEMSS city."""
    return bool(list(folder.glob("ambulances*.csv")) and list(folder.glob("stations*.csv")))


def read_jemss(folder: Path) -> EmergencyCase:
    """Read a city folder.

    Raises
    ------
    LayoutError
        Naming the file, the row or key, the value and what it must be.

    """
    nodes_text, arcs_text = _road_texts(folder)
    nodes = _columns(nodes_text, "nodes", ("x", "y", "offRoadAccess"), folder / "nodes.csv")
    arcs = _columns(arcs_text, "arcs", ("fromNode", "toNode", "distance", "mode_1", "mode_2"), folder / "arcs.csv")
    project = _Projection(float(nodes["x"].mean()), float(nodes["y"].mean()))
    x_m, y_m = project(nodes["x"], nodes["y"])
    tail, head = (arcs[key].astype(np.int32) - 1 for key in ("fromNode", "toNode"))
    graph, given = RoadGraph.from_arcs(x_m, y_m, tail, head, arcs["distance"] * 1000.0)
    times = tuple(
        np.maximum(np.rint(arcs[key][given] * DAY_S * 1000.0), LEAST_ARC_MS).astype(np.int32)
        for key in ("mode_1", "mode_2")
    )
    modes = _rows(_one(folder, "travel*.csv"), "travelModes")
    offroad = [float(row["offRoadSpeed"]) * 1000.0 / DAY_S for row in modes]
    access = (nodes["offRoadAccess"] > 0) & graph.main_part()
    roads = Roads(graph, (times[0], times[1]), (offroad[0], offroad[1]), access)
    sets = _rows(_one(folder, "travel*.csv"), "travelSets")
    by_name = {row["priority"]: int(float(row["travelModeIndex"])) - 1 for row in sets}
    response = np.array([by_name.get(n, 0) for n in ("highPriority", "medPriority", "lowPriority")], np.int32)
    ambulances = _rows(_one(folder, "ambulances*.csv"), "ambulances")
    stations = _sites(_one(folder, "stations*.csv"), "stations", roads, project)
    home = np.array([int(float(row["stationIndex"])) - 1 for row in ambulances], np.int32)
    for row, station in zip(ambulances, home, strict=True):
        if not 0 <= station < len(stations.name):
            raise LayoutError(
                f"{_one(folder, 'ambulances*.csv')}: ambulance {row['index']}: stationIndex {station + 1}, "
                f"must be 1 to {len(stations.name)}."
            )
    return EmergencyCase(
        name=folder.name,
        roads=roads,
        stations=stations,
        hospitals=_sites(_one(folder, "hospitals*.csv"), "hospitals", roads, project),
        unit_name=tuple(f"A{row['index']}" for row in ambulances),
        unit_station=home,
        calls=_call_model(folder, project),
        response_mode=response,
    )


class _Projection:
    """Equirectangular about the roads' centre: within 0.1 % over a city."""

    def __init__(self, lon_deg: float, lat_deg: float) -> None:
        self.lon_deg, self.lat_deg = lon_deg, lat_deg
        self.north_m = math.radians(1.0) * EARTH_M
        self.east_m = self.north_m * math.cos(math.radians(lat_deg))

    def __call__(self, lon_deg: F64, lat_deg: F64) -> tuple[F64, F64]:
        """Return metres east and north of the centre."""
        return (lon_deg - self.lon_deg) * self.east_m, (lat_deg - self.lat_deg) * self.north_m


def _road_texts(folder: Path) -> tuple[str, str]:
    for where in (folder, folder / "roads"):
        if (where / "nodes.csv").is_file() and (where / "arcs.csv").is_file():
            return (where / "nodes.csv").read_text(), (where / "arcs.csv").read_text()
    packed = folder / "roads.zip"
    if not packed.is_file():
        raise LayoutError(f"{folder}: neither nodes.csv and arcs.csv nor roads.zip is there; a JEMSS city has them.")
    try:
        with zipfile.ZipFile(packed) as archive:
            names = {Path(name).name: name for name in archive.namelist()}
            return archive.read(names["nodes.csv"]).decode(), archive.read(names["arcs.csv"]).decode()
    except (zipfile.BadZipFile, KeyError) as error:
        raise LayoutError(f"{packed}: must be a zip archive of nodes.csv and arcs.csv ({error}).") from error


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise LayoutError(f"{folder}: no file {pattern}; a JEMSS city has one.")
    return found[0]


def _table(lines: Iterable[list[str]], name: str, where: Path) -> tuple[list[str], Iterator[list[str]]]:
    """Return the heading of the table called ``name`` and its rows, up to an empty one."""
    reader = iter(lines)
    for row in reader:
        if row and row[0] == name and not any(row[1:2]):
            heading = next(reader, [])

            def rows() -> Iterator[list[str]]:
                for cells in reader:
                    if not any(cell.strip() for cell in cells):
                        return
                    yield cells

            return heading, rows()
    raise LayoutError(f"{where}: no table {name!r}.")


def _rows(path: Path, name: str) -> Table:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        heading, rows = _table(csv.reader(lines), name, path)
        return [dict(zip(heading, row, strict=False)) for row in rows]


def _columns(text: str, name: str, wanted: tuple[str, ...], where: Path) -> dict[str, F64]:
    heading, rows = _table(csv.reader(io.StringIO(text)), name, where)
    missing = [key for key in wanted if key not in heading]
    if missing:
        raise LayoutError(f"{where}: table {name!r} has no column {missing[0]!r}.")
    at = [heading.index(key) for key in wanted]
    try:
        values = np.array([[float(row[k]) for k in at] for row in rows])
    except (ValueError, IndexError) as error:
        raise LayoutError(f"{where}: table {name!r} has a row that does not hold numbers ({error}).") from error
    return {key: np.ascontiguousarray(values[:, k]) for k, key in enumerate(wanted)}


def _sites(path: Path, name: str, roads: Roads, project: _Projection) -> Sites:
    rows = _rows(path, name)
    x_m, y_m = project(np.array([float(row["x"]) for row in rows]), np.array([float(row["y"]) for row in rows]))
    node, offroad_m = snap(roads, x_m, y_m)
    known = ("Facility name", "NAME", "name", "name (AHS EMS ___ station)")
    names = [next((row[key] for key in known if row.get(key)), f"{name[:-1]} {row['index']}") for row in rows]
    return Sites(tuple(names), x_m, y_m, node, offroad_m)


def _call_model(folder: Path, project: _Projection) -> CallModel:
    path = _one(folder, "calls_gen_config*.xml")
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise LayoutError(f"{path}: not well-formed XML ({error}).") from error
    told = root.find("./sim/callDistributions")
    if told is None:
        raise LayoutError(f"{path}: no element sim/callDistributions.")
    text = {element.tag: (element.text or "").strip() for element in told}
    wanted = ("interarrivalTime", "priority", "dispatchDelay", "onSceneDuration", "transport", "handoverDuration")
    for key in wanted:
        if not text.get(key):
            raise LayoutError(f"{path}: no element callDistributions/{key}.")
    gap = _first(text["interarrivalTime"], path)
    share = np.array(_call(text["priority"], path)[1][0], np.float64)
    if abs(share.sum() - 1.0) > 1e-6 or (share < 0).any():
        raise LayoutError(f"{path}: priority {text['priority']}: shares must be at least 0 and sum to 1.")
    per_day = 1.0 / gap
    if not 0.0 < per_day <= LARGEST_RATE_PER_DAY:
        raise LayoutError(f"{path}: interarrivalTime gives {per_day:g} calls a day, must be above 0.")
    raster = read_raster(folder)
    x_m, y_m = project(raster.west_deg, raster.south_deg)
    width_m = np.full(len(x_m), raster.width_deg * project.east_m)
    return CallModel(
        per_day=per_day,
        priority_share=share,
        call_taking=_distribution(text["dispatchDelay"], path),
        on_scene=_distribution(text["onSceneDuration"], path),
        transport_share=_first(text["transport"], path),
        handover=_distribution(text["handoverDuration"], path),
        cell_x_m=x_m,
        cell_y_m=y_m,
        cell_weight=raster.weight,
        cell_width_m=width_m,
        cell_height_m=raster.height_deg * project.north_m,
    )


def _distribution(text: str, path: Path) -> Distribution:
    name, given = _call(text, path)
    numbers = [value for value in given if isinstance(value, float)]
    match name, numbers:
        case "Exponential", [mean]:
            return Distribution(Family.EXPONENTIAL, mean * DAY_S)
        case "Normal", [mean, 0.0]:
            return Distribution(Family.CONSTANT, mean * DAY_S)
        case "Normal", [mean, deviation]:
            return Distribution(Family.NORMAL, mean * DAY_S, deviation * DAY_S)
        case "Weibull", [shape, scale]:
            return Distribution(Family.WEIBULL, scale * DAY_S, shape)
        case _:
            raise LayoutError(f"{path}: {text!r}: must be Exponential(m), Normal(m, s) or Weibull(k, s).")


def _first(text: str, path: Path) -> float:
    _, given = _call(text, path)
    if len(given) != 1 or not isinstance(given[0], float) or given[0] <= 0:
        raise LayoutError(f"{path}: {text!r}: must have one number, above 0.")
    return given[0]


def _call(text: str, path: Path) -> tuple[str, list[float | list[float]]]:
    """Read ``Name(1/24, [0.5, 0.5])`` without running it."""
    try:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id, [_value(argument) for argument in node.args]
    except (SyntaxError, ValueError, ZeroDivisionError) as error:
        raise LayoutError(f"{path}: {text!r} cannot be read ({error}).") from error
    raise LayoutError(f"{path}: {text!r} is not a distribution such as Exponential(1/24).")


_SUMS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _value(node: ast.expr) -> float | list[float]:
    if isinstance(node, ast.List):
        return [_number(item) for item in node.elts]
    return _number(node)


def _number(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _SUMS:
        return _SUMS[type(node.op)](_number(node.left), _number(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    raise ValueError("only numbers and + - * / are allowed")

"""A live city as what runs beside the server: the loop in a process of its own, the field wherever it is."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from cityloop.app import LEASED_ARMS
from cityloop.app.child import ChildSpec
from cityloop.app.city_source import NoJobs, districts_of
from cityloop.app.live_link import InboxLink, register_field
from cityloop.app.live_pipe import serve_link
from cityloop.app.live_sensing import device_token
from cityloop.app.live_views import SERVICES
from cityloop.app.sensing import OpenSensing
from cityloop.app.twin_source import TwinSource
from cityloop.app.what_if import Running
from cityloop.cities.live.folder import LiveCase, read_live_case
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Layout
from cityloop.kernel.shapes import MapLine, MapShapes, Ways
from cityloop.sensing.field import FieldHub
from cityloop.web.events import Events
from cityloop.web.ports import CityFacts, JobsPort

__all__ = ["LiveSource", "drawn_shapes", "live_source"]

_MARGIN_M = 50.0


class LiveSource(TwinSource):
    """Owns the loop's process and the link that it leads the field by."""

    module = "cityloop.app.live_child"

    def __init__(self, spec: ChildSpec, case: LiveCase) -> None:
        super().__init__(spec)
        self.case = case
        self._link: InboxLink | None = None
        self._send: Callable[[bytes], None] = lambda payload: None

    def join(self, opened: OpenSensing, hub: FieldHub, folder: Path) -> Path:
        """Take the field's streams and its link from sensing; return the file of the field's token."""
        device = self.case.toml.device
        rows = register_field(opened.streams, self.case.document, device)
        self._link = InboxLink(opened.inbox, hub, device, rows, self.case.document.layout.streams)
        self._send = lambda payload: hub.send(device, payload)
        return device_token(opened, folder, device)

    def further_sockets(self) -> list[socket.socket]:
        """Return the loop's end of the field's link."""
        assert self._link is not None
        here, there = socket.socketpair()
        serve_link(here, self._link, self._send)
        return [there]

    def jobs(self, facts: CityFacts, events: Events, sim_s: Callable[[], float | None]) -> JobsPort:
        """Return who runs what-ifs in the twin that the city's folder names; nobody where it names none."""
        if not self.case.toml.twin:
            return NoJobs('name one in city.toml, [live] twin = "a city folder or a built-in"')
        zone = ZoneInfo(facts.zone)

        def of_day_s() -> float | None:
            newest = self._newest
            if newest is None:
                return None
            local = datetime.fromtimestamp(newest.at_ms / 1000, zone)
            return local.hour * 3600.0 + local.minute * 60.0 + local.second

        running = Running(sim_s=of_day_s, live=lambda: self._live(facts), control=self._spec.control, any_hour=True)
        return self._what_ifs(self.case.twin(), facts, events, running)


def live_source(
    city: str, *, data: Path, pace: float, control: str, sensing: str, seed: int, scale: float, keep_days: float
) -> tuple[CityFacts, LiveSource]:
    """Return a live city's facts and source; what belongs to a twin alone must be left at its default."""
    case = read_live_case(city)
    if control not in LEASED_ARMS:
        raise ConfigError(f"--control {control}: give one of {', '.join(LEASED_ARMS)}")
    if pace != 1.0 or seed != 1 or scale != 1.0:
        raise ConfigError(f"{city}: a live city; --pace, --seed and --scale are for twins, leave them out")
    layout = case.document.layout
    services = tuple(name for name in SERVICES if name in layout.tables)
    facts = CityFacts(
        name=case.name,
        case=city,
        mode="live" if case.toml.pace == 1.0 and not case.toml.simulated else "simulation",
        label=case.toml.label or "LIVE",
        zone=case.toml.zone,
        pace=case.toml.pace,
        layout=layout,
        shapes=drawn_shapes(layout),
        districts=districts_of(layout),
        domains=("traffic", "signals", *services),
        acting=("signals", *services),
    )
    spec = ChildSpec(
        city=str(Path(city).expanduser().resolve()),
        data=str(data.resolve()),
        pace=1.0,
        control=control,
        sensing=sensing,
        seed=seed,
        scale=scale,
        keep_days=keep_days,
    )
    return facts, LiveSource(spec, case)


def drawn_shapes(layout: Layout) -> MapShapes:
    """Return what a map draws of a city that is known by its assets alone: straight lines, and ways over junctions."""
    edges, lanes, assets = layout.edges, layout.lanes, layout.tables["signals"]
    ends = list(zip(edges.x0_m.tolist(), edges.y0_m.tolist(), edges.x1_m.tolist(), edges.y1_m.tolist(), strict=True))
    lanes_of = np.bincount(lanes.edge, minlength=len(ends))
    lines = tuple(
        MapLine(row=row, way=Ways.ROAD, width_m=3.2 * max(1, int(lanes_of[row])), points=((x0, y0), (x1, y1)))
        for row, (x0, y0, x1, y1) in enumerate(ends)
    )
    places = layout.junctions
    links = []
    for approach, junction in zip(assets.links.approach.tolist(), assets.links.junction.tolist(), strict=True):
        middle = (float(places.x_m[junction]), float(places.y_m[junction]))
        if approach < 0:
            links.append((middle, middle))
            continue
        x1, y1 = ends[int(lanes.edge[layout.approaches.lane[approach]])][2:]
        links.append(((x1, y1), middle))
    box = (
        float(min(edges.x0_m.min(), edges.x1_m.min()) - _MARGIN_M),
        float(min(edges.y0_m.min(), edges.y1_m.min()) - _MARGIN_M),
        float(max(edges.x0_m.max(), edges.x1_m.max()) + _MARGIN_M),
        float(max(edges.y0_m.max(), edges.y1_m.max()) + _MARGIN_M),
    )
    return MapShapes(
        box=box,
        lines=lines,
        outlines=(),
        links=tuple(links),
        streets=layout.names["edges"],
        junction_labels=layout.names["junctions"],
    )

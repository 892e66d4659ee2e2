"""Fixtures that every layer of tests shares."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.stages import LAMP_OF, intergreens
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.domains.signals.schema import (
    Approaches,
    Controllers,
    LinkKind,
    Links,
    Matrices,
    Movements,
    ShowStage,
    SignalAssets,
    Stages,
)
from cityloop.engine.compiled import keep_compiled_apart
from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import columns_of
from cityloop.kernel.domain import Domain, Views
from cityloop.kernel.layout import Edges, Junctions, Lanes, Layout, StreamKind, Streams
from cityloop.kernel.messages import Allowed, Alternative, Proposal, Refused, Request, Verdict
from cityloop.kernel.tick import Brain

# Before any test imports a domain: code compiled from source as it was must not be tested for what it is now.
keep_compiled_apart()

# Several workers share the cores, so a slow example says nothing; CI draws the same examples every time.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder of evaluation data, or a skip that says how to name it."""
    named = os.environ.get("CITYLOOP_EVAL_DATA")
    if not named:
        pytest.skip("CITYLOOP_EVAL_DATA does not name the evaluation data")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"CITYLOOP_EVAL_DATA={named}: no such folder; unset it or name the evaluation data")
    return folder


@dataclass(frozen=True, slots=True)
class Clockwork:
    """State of the smallest domain that still depends on every reading."""

    heard: float
    """Sum of all values heard."""
    ticks: int


def _clockwork_domain() -> Domain[Clockwork, float]:
    def update(state: Clockwork, batch: Batch, views: Views, now_ms: int) -> Clockwork:
        return Clockwork(state.heard + float(batch.value.sum()), state.ticks + 1)

    def propose(state: Clockwork, forecast: float, requests: Sequence[Request], now_ms: int) -> tuple[Proposal, ...]:
        stage = now_ms // 20_000 % 2
        # Every seventh tick asks for a stage that is not there, so that the guard has something to refuse.
        asked = ShowStage(9 if state.ticks % 7 == 0 else stage)
        weighed = (Alternative(1 - stage, forecast),)
        return (Proposal(target=0, action=asked, reason=1, cost=state.heard, gain=0.0, alternatives=weighed),)

    def check(proposal: Proposal, state: Clockwork, now_ms: int) -> Verdict:
        asked = proposal.action
        return Allowed(asked) if isinstance(asked, ShowStage) and asked.stage < 2 else Refused(rule=1)

    return Domain(
        name="signals",
        start=lambda layout, now_ms: Clockwork(0.0, 0),
        update=update,
        predict=lambda state, views, now_ms: state.heard / 2,
        policies={"clockwork": propose},
        check=check,
        accept=lambda state, verdicts, now_ms: state,
        view=lambda state: state,
    )


@pytest.fixture(scope="session")
def clockwork() -> Brain:
    """A brain whose one domain changes the toy's stage every 20 s and decides from everything it heard."""
    return Brain(domains=(_clockwork_domain(),), arms={"signals": "clockwork"})


@dataclass(frozen=True, slots=True)
class HandMade:
    """A junction written down in a test."""

    assets: SignalAssets
    stage_states: tuple[tuple[str, ...], ...]
    walks: frozenset[int]
    """Local links that are crossings."""


@pytest.fixture(scope="session")
def junction_of() -> Callable[..., HandMade]:
    """Write down one junction: its stages, crossings with their clearances, and pairs of links that cross."""

    def build(
        states: tuple[str, ...],
        *,
        clearance_s: dict[int, float],
        foes: tuple[tuple[int, int], ...],
        passed: tuple[int, ...] = (),
        all_red_s: float = 0.0,
        walk_s: float = 5.0,
        yellow_s: float = 3.0,
    ) -> HandMade:
        links, stages = len(states[0]), len(states)
        crossing = np.array([link in clearance_s for link in range(links)])
        clearing = np.array([clearance_s.get(link, 0.0) for link in range(links)])
        yellow = np.where(crossing, 0.0, yellow_s)
        foe = np.zeros((links, links), np.bool_)
        for one, other in foes:
            foe[one, other] = foe[other, one] = True
        walked = [any(state[link] == "G" for link in clearance_s) for state in states]
        zero = np.zeros(1, np.int32)
        unknown, nil = np.full(links, -1, np.int32), np.zeros(links)
        assets = SignalAssets(
            controllers=Controllers(
                link_begin=zero,
                link_end=zero + links,
                stage_begin=zero,
                stage_end=zero + stages,
                approach_begin=zero,
                approach_end=zero,
                matrix_begin=zero,
                lamps_begin=zero,
                intergreen_begin=zero,
                all_red_s=np.array([all_red_s]),
            ),
            links=Links(
                junction=np.zeros(links, np.int32),
                kind=np.where(crossing, LinkKind.CROSSING, LinkKind.VEHICLE).astype(np.int32),
                approach=unknown,
                turn=np.zeros(links, np.int32),
                yellow_s=yellow,
                length_m=nil,
                clearance_s=clearing,
                own_red_s=np.zeros(links),
                own_wait_s=np.zeros(links),
                next_group=unknown,
                next_distance_m=nil,
            ),
            stages=Stages(
                junction=np.zeros(stages, np.int32),
                service=np.array([stage not in passed for stage in range(stages)]),
                min_green_s=np.where(walked, walk_s, 5.0),
            ),
            approaches=Approaches(**{column.name: np.zeros(0, column.dtype) for column in columns_of(Approaches)}),
            movements=Movements(**{column.name: np.zeros(0, column.dtype) for column in columns_of(Movements)}),
            matrices=Matrices(foe.ravel(), foe.ravel(), np.zeros(links * links, np.bool_)),
            lamps=np.array([[LAMP_OF[lamp] for lamp in state] for state in states], np.uint8).ravel(),
            intergreen_s=intergreens(states, yellow, all_red_s, clearing, crossing, foe, foe).ravel(),
            sensing="area:150",
        )
        return HandMade(assets, (states,), frozenset(clearance_s))

    return build


_TOWN_ROUTES = """<routes>
    <flow id="eastward" from="left0A0" to="B0right0" begin="0" end="600" period="4"/>
    <flow id="westward" from="right0B0" to="A0left0" begin="0" end="600" period="6"/>
    <flow id="turning" from="bottom0A0" to="B0top1" begin="0" end="600" period="9"/>
    <flow id="southward" from="top1B0" to="B0bottom1" begin="0" end="600" period="8"/>
    <personFlow id="walking" begin="0" end="600" period="10">
        <walk from="bottom0A0" to="A0top0"/>
    </personFlow>
    <personFlow id="strolling" begin="0" end="600" period="15">
        <walk from="left0A0" to="B0right0"/>
    </personFlow>
</routes>
"""


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> CityCase:
    """Two signals in a row, with footways and crossings, cars and people; ten minutes from midnight."""
    folder = tmp_path_factory.mktemp("town")
    run_binary(
        "netgenerate",
        [
            *("--grid", "--grid.x-number", "2", "--grid.y-number", "1", "--grid.length", "160"),
            *("--grid.attach-length", "200", "--default.lanenumber", "1", "--tls.set", "A0,B0"),
            *("--sidewalks.guess", "true", "--crossings.guess", "true", "--no-warnings", "true"),
            *("--output-file", str(folder / "town.net.xml")),
        ],
    )
    (folder / "town.rou.xml").write_text(_TOWN_ROUTES, encoding="utf-8")
    (folder / "town.sumocfg").write_text(
        '<configuration><input><net-file value="town.net.xml"/><route-files value="town.rou.xml"/></input>'
        '<time><begin value="0"/><end value="600"/></time></configuration>',
        encoding="utf-8",
    )
    return resolve_city(str(folder / "town.sumocfg"))


@dataclass(frozen=True, slots=True)
class Crossroads:
    """One junction with its lanes, as a layout, and readings of it."""

    layout: Layout

    def batch(
        self,
        at_ms: int,
        *,
        scans: Mapping[int, Sequence[tuple[float, float]]] | None = None,
        stage: int | None = None,
        mode: int | None = None,
        calls: Mapping[int, bool] | None = None,
    ) -> Batch:
        """Return readings of one instant: objects (distance, speed) by approach, what is shown, who calls."""
        rows: list[tuple[StreamKind, int, float]] = []
        for approach, objects in (scans or {}).items():
            rows.append((StreamKind.OBJECT_COUNT, approach, float(len(objects))))
            rows += [(StreamKind.OBJECT_DISTANCE_M, approach, distance_m) for distance_m, _ in objects]
            rows += [(StreamKind.OBJECT_SPEED_MPS, approach, speed_mps) for _, speed_mps in objects]
        rows += [(StreamKind.STAGE_SHOWN, 0, float(stage))] if stage is not None else []
        rows += [(StreamKind.CONTROL_MODE, 0, float(mode))] if mode is not None else []
        rows += [(StreamKind.CROSSING_CALL, link, float(waits)) for link, waits in (calls or {}).items()]
        streams = self.layout.streams
        pairs = zip(streams.kind.tolist(), streams.asset.tolist(), strict=True)
        number = {pair: row for row, pair in enumerate(pairs)}
        instants = np.full(len(rows), at_ms, np.int64)
        return Batch(
            stream=np.array([number[int(kind), asset] for kind, asset, _ in rows], np.int32),
            observed_at_ms=instants,
            received_at_ms=instants.copy(),
            value=np.array([value for _, _, value in rows], np.float64),
            quality=np.zeros(len(rows), np.uint8),
        )


@pytest.fixture(scope="session")
def crossroads(junction_of: Callable[..., HandMade]) -> Callable[..., Crossroads]:
    """Write down one junction with its approach lanes, each the tuple of the links it leads to."""

    def build(
        states: tuple[str, ...],
        lanes: tuple[tuple[int, ...], ...],
        *,
        clearance_s: dict[int, float] | None = None,
        foes: tuple[tuple[int, int], ...] = (),
        yields: tuple[tuple[int, int], ...] = (),
        passed: tuple[int, ...] = (),
        groups: tuple[int, ...] | None = None,
        owners: tuple[int, ...] | None = None,
        own_m: float = 150.0,
        zone_m: float = 150.0,
        blind_m: float = 0.0,
        feeders: int = 0,
        leads_to: dict[int, tuple[int, float]] | None = None,
        intergreen_s: Sequence[Sequence[float]] | None = None,
        rail: tuple[int, ...] = (),
        own_red_s: dict[int, float] | None = None,
        own_wait_s: dict[int, float] | None = None,
        sensing: str = "area:150",
    ) -> Crossroads:
        made = junction_of(states, clearance_s=clearance_s or {}, foes=foes, passed=passed).assets
        n, n_links = len(lanes), len(states[0])
        sizes = np.array([len(links) for links in lanes])
        ends = np.cumsum(sizes)
        rows, zeros = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
        approaches = Approaches(
            junction=zeros,
            lane=rows,
            group=rows if groups is None else np.array(groups, np.int32),
            speed_limit_mps=np.full(n, 10.0),
            zone_m=np.full(n, zone_m),
            blind_m=np.full(n, blind_m),
            own_m=np.full(n, own_m),
            owner=rows if owners is None else np.array(owners, np.int32),
            feeders=zeros + feeders,
            movement_begin=(ends - sizes).astype(np.int32),
            movement_end=ends.astype(np.int32),
        )
        taken = [link for links in lanes for link in links]
        reached = [(leads_to or {}).get(link, (-1, 0.0)) for link in taken]
        movements = Movements(
            approach=np.repeat(rows, sizes).astype(np.int32),
            link=np.array(taken, np.int32),
            turn=np.zeros(len(taken), np.int32),
            next_group=np.array([group for group, _ in reached], np.int32),
            next_distance_m=np.array([distance_m for _, distance_m in reached]),
            speed_mps=np.full(len(taken), 10.0),
        )
        gives_way = np.zeros((n_links, n_links), np.bool_)
        for one, other in yields:
            gives_way[one, other] = True
        kind = made.links.kind.copy()
        kind[list(rail)] = LinkKind.RAIL
        reds_s = np.array([(own_red_s or {}).get(link, 0.0) for link in range(n_links)])
        own_waits_s = np.array([(own_wait_s or {}).get(link, 0.0) for link in range(n_links)])
        assets = replace(
            made,
            controllers=replace(made.controllers, approach_end=np.array([n], np.int32)),
            links=replace(made.links, kind=kind, own_red_s=reds_s, own_wait_s=own_waits_s),
            approaches=approaches,
            movements=movements,
            matrices=replace(made.matrices, yields=gives_way.ravel()),
            intergreen_s=made.intergreen_s if intergreen_s is None else np.array(intergreen_s, np.float64).ravel(),
            sensing=sensing,
        )
        area = (StreamKind.OBJECT_COUNT, StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS)
        streams = [(kind_, row) for row in range(n) for kind_ in area]
        streams += [(StreamKind.STAGE_SHOWN, 0), (StreamKind.CONTROL_MODE, 0)]
        streams += [(StreamKind.CROSSING_CALL, link) for link in (clearance_s or {})]
        far, limit = np.full(n, 500.0), np.full(n, 10.0)
        layout = Layout(
            version="crossroads",
            junctions=Junctions(np.zeros(1), np.zeros(1)),
            edges=Edges(far, limit, far, far, far, far),
            lanes=Lanes(rows, far, limit),
            approaches=approaches,
            movements=movements,
            streams=Streams(
                np.array([kind_ for kind_, _ in streams], np.int32), np.array([row for _, row in streams], np.int32)
            ),
            tables={"signals": assets},
            names={"junctions": ("crossroads",)},
        )
        return Crossroads(layout)

    return build


@pytest.fixture(scope="session")
def plain_city(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write down a city around one signal C out of nodes, edges `AB` from A to B and connections `AC>CB`."""

    def build(
        nodes: dict[str, tuple[float, float]],
        edges: str,
        connections: str,
        routes: str,
        *,
        end_s: int,
        green_s: int = 27,
        phases: Sequence[tuple[dict[str, str], int]] = (),
        detectors: str = "",
    ) -> Path:
        folder = tmp_path_factory.mktemp("plain")
        node = '<node id="{}" x="{}" y="{}" type="{}"/>'
        points = "".join(
            node.format(name, x, y, "traffic_light" if name == "C" else "priority") for name, (x, y) in nodes.items()
        )
        (folder / "plain.nod.xml").write_text(f"<nodes>{points}</nodes>")
        edge = '<edge id="{0}" from="{0[0]}" to="{0[1]}" numLanes="1" speed="13.89"/>'
        (folder / "plain.edg.xml").write_text(f"<edges>{''.join(map(edge.format, edges.split()))}</edges>")
        ways = [way.split(">") for way in connections.split()]
        joined = "".join(f'<connection from="{one}" to="{other}"/>' for one, other in ways)
        (folder / "plain.con.xml").write_text(f"<connections>{joined}</connections>")
        net = folder / "plain.net.xml"
        run_binary(
            "netconvert",
            [
                *("--node-files", str(folder / "plain.nod.xml"), "--edge-files", str(folder / "plain.edg.xml")),
                *("--connection-files", str(folder / "plain.con.xml"), "--no-turnarounds", "true"),
                *("--tls.green.time", str(green_s), "--tls.yellow.time", "3", "--no-warnings", "true"),
                *("--output-file", str(net)),
            ],
        )
        if phases:
            tree = ET.parse(net)
            index = {
                f"{c.attrib['from']}>{c.attrib['to']}": int(c.attrib["linkIndex"])
                for c in tree.getroot().iter("connection")
                if "linkIndex" in c.attrib
            }
            (logic,) = tree.getroot().iter("tlLogic")
            for phase in list(logic):
                logic.remove(phase)
            for lamps, duration_s in phases:
                state = ["r"] * len(index)
                for way, lamp in lamps.items():
                    state[index[way]] = lamp
                ET.SubElement(logic, "phase", duration=str(duration_s), state="".join(state))
            tree.write(net)
        (folder / "plain.rou.xml").write_text(f"<routes>{routes}</routes>")
        (folder / "plain.add.xml").write_text(f"<additional>{detectors.format(folder=folder)}</additional>")
        config = folder / "plain.sumocfg"
        config.write_text(
            '<configuration><input><net-file value="plain.net.xml"/><route-files value="plain.rou.xml"/>'
            '<additional-files value="plain.add.xml"/></input>'
            f'<time><begin value="0"/><end value="{end_s}"/></time></configuration>'
        )
        return config

    return build


@pytest.fixture(scope="session")
def grid_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four signals in a square of single lanes shared by all turns; ten minutes of uneven demand."""
    folder = tmp_path_factory.mktemp("grid")
    shape = "--grid --grid.number 2 --grid.length 200 --grid.attach-length 200 --default.lanenumber 1 --no-warnings"
    run_binary("netgenerate", [*shape.split(), "-j", "traffic_light", "-o", str(folder / "grid.net.xml")])
    flow = '<flow id="{}" begin="0" end="600" period="exp({})" from="{}" to="{}" departSpeed="max"/>'
    ways = [
        (0.12, "left0A0", "B0right0"),
        (0.05, "right1B1", "A1left1"),
        (0.03, "bottom0A0", "A1top0"),
        (0.06, "top1B1", "B0bottom1"),
        (0.03, "left1A1", "B0bottom1"),
        (0.03, "bottom1B0", "A1left1"),
    ]
    routes = "".join(flow.format(f"f{k}", *way) for k, way in enumerate(ways))
    (folder / "grid.rou.xml").write_text(f"<routes>{routes}</routes>")
    config = folder / "grid.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="grid.net.xml"/><route-files value="grid.rou.xml"/></input>'
        '<time><begin value="0"/><end value="900"/></time></configuration>'
    )
    return config

"""Fixtures that every layer of tests shares."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.domains.signals.schema import ShowStage
from cityloop.engine.compiled import keep_compiled_apart
from cityloop.kernel.batch import Batch
from cityloop.kernel.domain import Domain, Views
from cityloop.kernel.messages import Allowed, Alternative, Proposal, Refused, Request, Verdict
from cityloop.kernel.tick import Brain

# Before any test imports a domain: code compiled from source as it was must not be tested for what it is now.
keep_compiled_apart()

sys.path.insert(0, str(Path(__file__).parent / "support"))
pytest_plugins = ["written_junctions"]

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

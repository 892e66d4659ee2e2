"""A run folder small enough to score by hand: one signal, four vehicles, two people, 600 s."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityloop.storage.run_toml import InputFile, Result, RunToml, write_run_toml

NET = """<net>
<edge id="W" from="a" to="J"><lane id="W_0" index="0" length="100" speed="10" shape="0,0 100,0"/></edge>
<edge id="E" from="J" to="b"><lane id="E_0" index="0" length="100" speed="10" shape="100,0 200,0"/></edge>
<edge id=":J_0" function="internal"><lane id=":J_0_0" index="0" length="9" speed="10" shape="100,0
109,0"/></edge> <edge id="U" from="c" to="a"><lane id="U_0" index="0" length="80" speed="10" shape="-80,0
0,0"/></edge> <connection from="W" to="E" fromLane="0" toLane="0" via=":J_0_0" tl="J" linkIndex="0" dir="s"/>
<connection from="U" to="W" fromLane="0" toLane="0" dir="s"/>
<connection from=":J_0" to="E" fromLane="0" toLane="0" dir="s"/>
<junction id="J" type="traffic_light" x="100" y="0" intLanes=":J_0_0"><request index="0" foes="0"
response="0"/></junction> <junction id="a" type="priority" x="0" y="0" intLanes=""/><junction id="b"
type="priority" x="200" y="0" intLanes=""/> <tlLogic id="J" type="static" programID="0" offset="0"><phase
duration="27" state="G"/><phase duration="3" state="y"/> <phase duration="30" state="r"/></tlLogic>
</net>"""
ROUTES = '<routes><vType id="tram1" vClass="tram"/><vType id="car"/></routes>'
HEAD = "<!-- generated on some day by Eclipse SUMO sumo 1.28.0 -->\n"


def _trip(depart: float, delay: float, arrival: float, loss: float, wait: float, stops: int, kind: str = "car") -> str:
    lane = "" if depart < 0 else "U_0"
    return (
        f'<tripinfo id="v" depart="{depart}" departLane="{lane}" departDelay="{delay}" arrival="{arrival}" '
        f'timeLoss="{loss}" '
        f'waitingTime="{wait}" waitingCount="{stops}" duration="50" vType="{kind}" vaporized=""/>'
    )


TRIPS = [
    _trip(0, 0, 50, 10, 4, 1),
    _trip(100, 2, 180, 20, 8, 1, "tram1"),
    _trip(400, 6, -1, 30, 12, 3, "car@v7"),
    _trip(-1, 32, -1, 0, 0, 0),
]
PEOPLE = [
    '<personinfo id="p" depart="0"><walk arrival="90" waitingTime="12" timeLoss="20"/></personinfo>',
    '<personinfo id="q" depart="0"><walk arrival="-1" waitingTime="30" timeLoss="0"/></personinfo>',
]


@pytest.fixture
def make_run(tmp_path: Path):
    """Write a run folder; what it holds can be bent."""

    def make(
        name: str = "run",
        *,
        arm: str = "shipped",
        seed: int = 1,
        only: int = 4,
        longer_s: float = 0.0,
        teleports: int = 0,
        state: str = "complete",
        lost_s: float = 90.0,
        calibration: str = "SYNTHETIC DEMAND, UNCALIBRATED",
    ) -> Path:
        folder = tmp_path / name
        trips = [_trip(0, 0, 50, 10 + longer_s, 4 + longer_s, 1), *TRIPS[1:]][:only]
        (folder / "sumo").mkdir(parents=True)
        net, routes = tmp_path / "j.net.xml", tmp_path / "j.rou.xml"
        net.write_text(NET)
        routes.write_text(ROUTES)
        sumo = folder / "sumo"
        (sumo / "tripinfo.xml").write_text(f"{HEAD}<tripinfos>{''.join(trips)}{''.join(PEOPLE)}</tripinfos>")
        steps = "".join(
            f'<step time="{t}" running="1" waiting="1" halting="{2 if t < 300 else 4}" '
            f'teleports="{teleports}" collisions="0"/>'
            for t in range(600)
        )
        (sumo / "summary.xml").write_text(f"<summary>{steps}</summary>")
        lamps = "".join(
            f'<tlsState time="{t}" id="J" state="{"G" if t % 60 < 27 else "y" if t % 60 < 30 else "r"}"/>'
            for t in range(600)
        )
        (sumo / "tls_states.xml").write_text(f"<tlsStates>{lamps}</tlsStates>")
        (sumo / "edges.xml").write_text(
            f'<meandata><interval begin="0" end="600"><edge id="W" timeLoss="{lost_s}" left="9"/>'
            '<edge id="U" timeLoss="50" left="9"/><edge id=":J_0" timeLoss="0" left="9"/>'
            '<edge id="E" timeLoss="18" left="9"/></interval></meandata>'
        )
        write_run_toml(
            folder,
            RunToml(
                city="toytown",
                case="toytown",
                control=arm,
                sensing="area:150",
                seed=seed,
                scale=1.0,
                begin_s=0.0,
                end_s=600.0,
                leased=False,
                own_plan=arm,
                case_digest="c0ffee",
                layout_digest="1a",
                versions={"cityloop": "0.1.0", "eclipse-sumo": "1.28.0"},
                calibration=calibration,
                state=state,
                inputs=(
                    InputFile(role="network", path=str(net), sha256=""),
                    InputFile(role="routes", path=str(routes), sha256=""),
                ),
                result=Result(decisions=0, decisions_digest="d0", steps=600, ended_ms=600_000, files={}),
            ),
        )
        return folder

    return make

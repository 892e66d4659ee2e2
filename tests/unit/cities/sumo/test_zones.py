"""How far a lane is followed from its stop line, on streets drawn for the purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cityloop.cities.sumo.netfile import NetFile, read_netfile
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.cities.sumo.zones import Roads, zone_of


@pytest.fixture
def street(tmp_path: Path) -> Callable[..., NetFile]:
    """Draw nodes on a line or off it, and edges `AB` with their lanes; C and D are signals."""

    def build(nodes: dict[str, tuple[float, float]], edges: dict[str, int], connections: str = "") -> NetFile:
        points = "".join(
            f'<node id="{n}" x="{x}" y="{y}" type="{"traffic_light" if n in "CD" else "priority"}"/>'
            for n, (x, y) in nodes.items()
        )
        ways = "".join(
            f'<edge id="{e}" from="{e[0]}" to="{e[1]}" numLanes="{lanes}" speed="10"/>' for e, lanes in edges.items()
        )
        (tmp_path / "s.nod.xml").write_text(f"<nodes>{points}</nodes>")
        (tmp_path / "s.edg.xml").write_text(f"<edges>{ways}</edges>")
        (tmp_path / "s.con.xml").write_text(f"<connections>{connections}</connections>")
        run_binary(
            "netconvert",
            [
                *("--node-files", str(tmp_path / "s.nod.xml"), "--edge-files", str(tmp_path / "s.edg.xml")),
                *("--connection-files", str(tmp_path / "s.con.xml"), "--no-turnarounds", "true"),
                *("--no-warnings", "true", "--output-file", str(tmp_path / "s.net.xml")),
            ],
        )
        return read_netfile(tmp_path / "s.net.xml")

    return build


LINE = {"W": (-400.0, 0.0), "M": (-100.0, 0.0), "C": (0.0, 0.0), "E": (300.0, 0.0), "N": (0.0, 200.0)}
SIDE = {"S": (-100.0, -200.0)}


def test_a_zone_passes_a_joint(street) -> None:
    """Two edges in a row are one approach: the zone reaches to the far end, its pieces nearest first."""
    net = street(LINE, {"WM": 1, "MC": 1, "CE": 1, "NC": 1})
    zone = zone_of(Roads(net), "MC_0")
    pieces = [piece.lane_id for piece in zone.pieces if not piece.lane_id.startswith(":")]
    assert pieces == ["MC_0", "WM_0"]
    total_m = sum(net.lanes[piece.lane_id].length_m for piece in zone.pieces)
    assert zone.reach_m == pytest.approx(total_m)
    assert 380 < zone.reach_m < 400
    assert zone.own_m == zone.reach_m
    assert zone.owner_lane == "MC_0"


def test_offsets_run_from_the_stop_line(street) -> None:
    """A piece's downstream end lies where the piece before it begins."""
    net = street(LINE, {"WM": 1, "MC": 1, "CE": 1, "NC": 1})
    at_m = 0.0
    for piece in zone_of(Roads(net), "MC_0").pieces:
        assert piece.offset_m == pytest.approx(at_m)
        at_m += net.lanes[piece.lane_id].length_m


def test_a_zone_ends_where_other_traffic_enters(street) -> None:
    """A side street that leads in makes the joint a real junction."""
    net = street(LINE | SIDE, {"WM": 1, "MC": 1, "CE": 1, "NC": 1, "SM": 1})
    zone = zone_of(Roads(net), "MC_0")
    assert [piece.lane_id for piece in zone.pieces] == ["MC_0"]
    assert zone.reach_m == pytest.approx(net.lanes["MC_0"].length_m)


def test_a_zone_passes_where_traffic_only_leaves(street) -> None:
    """A side street that leads out takes traffic away but brings none."""
    net = street(LINE | SIDE, {"WM": 1, "MC": 1, "CE": 1, "NC": 1, "MS": 1})
    assert "WM_0" in [piece.lane_id for piece in zone_of(Roads(net), "MC_0").pieces]


def test_a_zone_ends_at_a_signal(street) -> None:
    """What lies behind the signal upstream belongs to that signal."""
    nodes = {"W": (-400.0, 0.0), "D": (-100.0, 0.0), "C": (0.0, 0.0), "E": (300.0, 0.0), "S": (-100.0, -200.0)}
    net = street(nodes | {"N": (0.0, 200.0)}, {"WD": 1, "DC": 1, "CE": 1, "NC": 1, "SD": 1})
    assert [piece.lane_id for piece in zone_of(Roads(net), "DC_0").pieces] == ["DC_0"]


def test_a_pocket_is_seen_in_its_neighbours_zone(street) -> None:
    """One lane that becomes two: the one it leads on into owns it, the other ends at the joint and names the owner."""
    ways = (
        '<connection from="WM" to="MC" fromLane="0" toLane="0"/><connection from="WM" to="MC" fromLane="0" toLane="1"/>'
    )
    net = street(LINE, {"WM": 1, "MC": 2, "CE": 2, "NC": 1}, ways)
    roads = Roads(net)
    zones = {lane: zone_of(roads, lane) for lane in ("MC_0", "MC_1")}
    owner = zones["MC_0"].owner_lane
    (other,) = {"MC_0", "MC_1"} - {owner}
    assert zones[owner].owner_lane == zones[other].owner_lane == owner
    assert "WM_0" in [piece.lane_id for piece in zones[owner].pieces]
    assert "WM_0" not in [piece.lane_id for piece in zones[other].pieces]
    assert zones[owner].own_m < zones[owner].reach_m
    assert zones[owner].own_m == pytest.approx(zones[other].reach_m)


def test_the_next_signal_is_found_through_joints(street) -> None:
    """From the exit edge on, over a joint, to the next stop line: 100 m and 300 m less the nodes' own size."""
    nodes = {"W": (-300.0, 0.0), "C": (0.0, 0.0), "M": (100.0, 0.0), "D": (400.0, 0.0), "E": (600.0, 0.0)}
    nodes |= {"N": (0.0, 200.0), "S": (400.0, -200.0)}
    net = street(nodes, {"WC": 1, "CM": 1, "MD": 1, "DE": 1, "NC": 1, "SD": 1})
    reach = Roads(net).signal_after("CM", {"WC": "C", "NC": "C", "MD": "D", "SD": "D"})
    assert reach is not None
    assert reach.edge_id == "MD"
    assert reach.distance_m == pytest.approx(400, abs=25)


def test_no_next_signal_behind_a_real_junction_or_the_edge_of_town(street) -> None:
    """Where others enter on the way, or the street ends, no arrivals are sent ahead."""
    nodes = {"W": (-300.0, 0.0), "C": (0.0, 0.0), "M": (100.0, 0.0), "D": (400.0, 0.0), "E": (600.0, 0.0)}
    nodes |= {"N": (0.0, 200.0), "S": (400.0, -200.0), "T": (100.0, -200.0)}
    net = street(nodes, {"WC": 1, "CM": 1, "MD": 1, "DE": 1, "NC": 1, "SD": 1, "TM": 1})
    roads, signalled = Roads(net), {"WC": "C", "NC": "C", "MD": "D", "SD": "D"}
    assert roads.signal_after("CM", signalled) is None
    assert roads.signal_after("DE", signalled) is None
